"""A model with which the process dies again and again is refused, and the one before is used."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from edgeclf_runtime.errors import BackendError, SourceError
from edgeclf_runtime.pipeline.watched import Watched
from edgeclf_runtime.system.digest import sha256
from edgeclf_runtime.updates import probation
from edgeclf_runtime.updates.last_good import LastGood, version
from edgeclf_runtime.updates.probation import DEATHS, Probation
from tests.model_files import variant
from tests.runtime.replaced_model import Running
from tests.signing import edgeclf, key_pairs

KEPT = Path(__file__).parents[2] / "kept" / "0.1"
MODEL, IMAGE = KEPT / "model.tflite", next((KEPT / "photos" / "1").glob("*.png"))
DIED = f"the process died {DEATHS} times before this model had run for 60 s."
Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that runs the model, which kills it the next time."""
    begun: list[Running] = []

    def started(*words: str) -> Running:
        for before in begun:
            before.close()
        begun.append(Running(MODEL, IMAGE, tmp_path, *words))
        begun[-1].wait(lambda line: "frame" in line)
        return begun[-1]

    yield started
    for running in begun:
        running.close()


def _named(name: str, path: Path) -> Path:
    return variant(MODEL, path, labels=lambda text: text.replace("0\n", f"{name}\n", 1))


def _label(running: Running, after: int = 0) -> str:
    return str(running.wait(lambda line: "frame" in line, after)["label"])


def _state(running: Running, after: int = 0) -> tuple[str, str, str]:
    line = running.wait(lambda line: "model" in line, after)
    return line["model"], line["labels"][0], line.get("reason") or ""


def test_a_replaced_file_is_refused_after_three_deaths_until_a_newer_one_comes(start: Start, tmp_path: Path) -> None:
    running = start("--reload")
    bad = _named("bad", tmp_path / "bad")
    shutil.copy(bad, tmp_path / "again")
    assert running.put(bad)["model"] == "adopted"
    for _ in range(DEATHS - 1):
        running = start("--reload")
        assert _label(running) == "bad"
    running = start("--reload")
    reason = f"{tmp_path}/model.tflite: {DIED} It is refused until a newer one takes its place."
    assert _state(running) == ("refused", "0", f"{reason} Started with the previous model.")
    assert _label(running) == "0"
    for _ in range(DEATHS + 1):  # without another one to go back to, they are not counted
        running = start("--reload")
    assert (_state(running)[0], _label(running)) == ("refused", "0")
    assert running.put(tmp_path / "again")["reason"] == reason
    after = len(running.lines)
    assert running.put(_named("good", tmp_path / "good"))["model"] == "adopted"
    assert running.wait(lambda line: line.get("label") == "good", after)


def test_a_stopped_service_is_not_a_dead_one(start: Start, tmp_path: Path) -> None:
    running = start("--reload")
    assert running.put(_named("new", tmp_path / "new"))["model"] == "adopted"
    running.stop()
    for _ in range(DEATHS):
        start("--reload").stop()
    running = start("--reload")
    assert _label(running) == "new"
    assert not [line for line in running.lines if "model" in line]


@pytest.mark.slow
def test_an_update_is_refused_after_three_deaths_until_it_is_published_again(start: Start, tmp_path: Path) -> None:
    keys, stick = key_pairs(tmp_path), tmp_path / "stick"
    edgeclf("sign", MODEL, "--key", keys / "mine", "-o", tmp_path / "model.tflite")
    settings = {"update": str(stick), "update_every": 0.2, "trusted_key": f"{keys}/mine.pub"}
    (tmp_path / "run.toml").write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items()))
    words = ("--config", "run.toml")
    running = start(*words)
    for name, used, former in (("first", "the deployed model", "0"), ("second", "the previous update", "first")):
        new = _named(name, tmp_path / name)
        edgeclf("publish", new, stick, "--key", keys / "mine")
        assert _state(running) == ("adopted", name, "")
        for _ in range(DEATHS - 1):
            assert _label(running := start(*words)) == name
        running = start(*words)
        state, label, reason = _state(running)
        assert (state, label) == ("refused", former)
        assert reason.startswith("update ")
        assert f": {DIED} It is refused" in reason
        assert reason.endswith(f"Started with {used}.")
        state, label, reason = _state(running, running.lines.index(running.wait(lambda line: "model" in line)) + 1)
        assert (state, label, DIED in reason) == ("refused", former, True)  # it is still offered
        edgeclf("publish", new, stick, "--key", keys / "mine")
        running.wait(lambda line: line.get("model") == "adopted")
        running.wait(lambda line, name=name: line.get("label") == name)
        running.stop()
        running = start(*words)
        assert _label(running) == name


class _Counted:
    """A model under probation, in a run that has classified so many frames."""

    def __init__(self, folder: Path) -> None:
        self.model = folder / "model.tflite"
        self.run = SimpleNamespace(frames=0)
        self.probation = Probation(self.model)
        self._dead: list[AbstractContextManager[None]] = []

    def die(self, digest: str) -> None:
        """Leave what a process leaves that is killed while it uses a model."""
        other = Probation(self.model)
        other.use(digest)
        self._dead.append(other.watching(cast(Watched, self.run)))  # kept, or its end would be one in order
        self._dead[-1].__enter__()


@pytest.fixture
def counted(tmp_path: Path) -> _Counted:
    return _Counted(tmp_path)


def test_a_proven_model_is_not_refused_however_often_the_process_dies(
    counted: _Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probation, "SECONDS", 0.05)
    monkeypatch.setattr(probation, "_AGAIN", 0.05)
    record = counted.model.with_name(".model.tflite.good.probation")
    counted.probation.use("aa")
    with counted.probation.watching(cast(Watched, counted.run)):
        time.sleep(0.3)
        assert json.loads(record.read_text()) == {"aa": 1}  # without a frame, nothing is proven
        counted.run.frames += 1
        until = time.monotonic() + 20
        while json.loads(record.read_text()) != {"aa": 0}:
            assert time.monotonic() < until
            time.sleep(0.02)
    monkeypatch.setattr(probation, "SECONDS", 60.0)
    for _ in range(DEATHS + 1):
        counted.die("aa")
        counted.die("bb")
    assert [counted.probation.refuses(digest) for digest in ("aa", "bb", "cc")] == [False, True, False]


@pytest.mark.parametrize(
    ("error", "deaths"),
    [
        (BackendError("it fails"), 1),
        (ValueError("a score"), 1),
        (SourceError("no camera"), 0),
        (KeyboardInterrupt(), 0),
    ],
)
def test_an_error_of_the_model_is_a_death_and_one_of_the_camera_is_not(
    error: BaseException, deaths: int, counted: _Counted
) -> None:
    counted.probation.use("aa")
    with pytest.raises(type(error)), counted.probation.watching(cast(Watched, counted.run)):
        raise error
    record = counted.model.with_name(".model.tflite.good.probation")
    assert json.loads(record.read_text()) == ({"aa": 1} if deaths else {})


@pytest.mark.parametrize("content", ["", "[]", '{"aa": "x"}', "{" * 9999])
def test_a_record_that_cannot_be_read_refuses_nothing(content: str, counted: _Counted) -> None:
    counted.model.with_name(".model.tflite.good.probation").write_text(content)
    assert not counted.probation.refuses("aa")
    for _ in range(DEATHS):
        counted.die("aa")
    assert counted.probation.refuses("aa")


def test_a_record_that_cannot_be_written_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    counted = _Counted(tmp_path / "none")
    counted.die("aa")
    assert "the previous model is not used" in caplog.messages[-1]


def test_of_the_models_before_the_newest_that_is_not_refused_is_kept(counted: _Counted) -> None:
    good = LastGood(counted.model, counted.probation.refuses)

    def keep(content: bytes) -> None:
        counted.model.write_bytes(content)
        good.keep(version(counted.model), ("a",))
        time.sleep(0.01)  # the newest is known by its time

    keep(b"one")
    keep(b"two")
    for _ in range(DEATHS):
        counted.die(sha256(b"two"))
    assert [path.read_bytes() for path in good.all()] == [b"two", b"one"]
    found = good.find()
    assert found is not None
    assert found.read_bytes() == b"one"
    keep(b"three")
    assert [path.read_bytes() for path in good.all()] == [b"three", b"one"]
    keep(b"one")
    assert [path.read_bytes() for path in good.all()] == [b"one", b"three"]
