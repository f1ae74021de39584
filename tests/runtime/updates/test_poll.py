"""``edgeclf publish`` and ``edgeclf run --update``: a real HTTPS server that also cuts, lies and never ends."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from click.testing import CliRunner

from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.cli import cli
from edgeclf_runtime.errors import UsageError
from edgeclf_runtime.pipeline.watched import ModelUser
from edgeclf_runtime.trust.admission import Admission
from edgeclf_runtime.trust.keys import TrustedKeys
from edgeclf_runtime.updates.last_good import LastGood, version
from edgeclf_runtime.updates.offer import OFFER
from edgeclf_runtime.updates.origin import Folder
from edgeclf_runtime.updates.poll import UpdatePoll, delay
from edgeclf_runtime.updates.probation import Probation
from edgeclf_runtime.updates.use import ModelUse
from tests.model_files import variant, wrong_golden
from tests.runtime.replaced_model import Running
from tests.runtime.update_server import UpdateServer, publish
from tests.signing import edgeclf

KEPT = Path(__file__).parents[2] / "kept" / "0.1"
MODEL, IMAGE = KEPT / "model.tflite", next((KEPT / "photos" / "1").glob("*.png"))
pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="apt-get install openssl")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Models whose first label is their name; "lies" does not give its golden scores."""
    folder = tmp_path_factory.mktemp("models")

    def named(name: str) -> Callable[[str], str]:
        return lambda text: text.replace("0\n", f"{name}\n", 1)

    good = {name: variant(MODEL, folder / name, labels=named(name)) for name in ("one", "two", "three")}
    return {**good, "lies": variant(MODEL, folder / "lies", labels=named("lies"), golden=wrong_golden)}


@pytest.fixture
def start(tmp_path: Path, keys: Path, models: dict[str, Path]) -> Iterator[Callable[[str], Running]]:
    """Return a function that runs the model "one", which checks for updates often."""
    edgeclf("sign", models["one"], "--key", keys / "mine", "-o", tmp_path / "model.tflite")
    begun: list[Running] = []

    def started(origin: str) -> Running:
        lines = {"update": origin, "update_every": 0.2, "trusted_key": f"{keys}/mine.pub"}
        lines |= {"update_ca": f"{keys}/certificate.pem"} if "://" in origin else {}
        text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in lines.items())
        (tmp_path / "run.toml").write_text(text, "utf-8")
        begun.append(Running(MODEL, IMAGE, tmp_path, "--config", "run.toml"))
        begun[-1].wait(lambda line: "frame" in line)
        return begun[-1]

    yield started
    for running in begun:
        running.close()


def _until(what: Callable[[], object]) -> None:
    until = time.monotonic() + 60
    while not what():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.02)


def _state(running: Running, after: int) -> tuple[str, str, str]:
    line = running.wait(lambda line: "model" in line, after)
    return line["model"], line["labels"][0], line.get("reason") or ""


def test_a_device_follows_what_is_published(
    tmp_path: Path, keys: Path, models: dict[str, Path], server: UpdateServer, start: Callable[[str], Running]
) -> None:
    served, mine = tmp_path / "served", keys / "mine"
    running = start(server.address)

    server.fault = "cut"
    file = publish(models["two"], served, mine)
    assert _state(running, 0) == ("adopted", "two", "")
    size = (served / file).stat().st_size
    assert server.firsts(file) == list(range(0, size, 10_000))  # each time from where it was cut

    after, server.fault, server.sent = len(running.lines), "rubbish", 0
    file = publish(models["three"], served, mine)
    _until(lambda: len(server.firsts(file)) > 1)
    server.fault = "endless"
    _until(lambda: server.sent > 1 << 20)
    asked = len(server.firsts(file))
    _until(lambda: len(server.firsts(file)) > asked)  # the device closed that connection itself
    assert not any("model" in line for line in running.lines[after:])
    server.fault, asked = "", len(server.asked)
    assert _state(running, after) == ("adopted", "three", "")
    (part,) = (path.name for path in served.glob(f"*-{Path(file).stem}.delta"))
    assert (served / part).stat().st_size < (served / file).stat().st_size / 4  # the network is the same
    assert [path for path, *_ in server.asked[asked:] if path != OFFER][-1] == part

    after, replayed = len(running.lines), (served / OFFER).read_bytes()
    publish(models["lies"], served, mine)
    name, label, reason = _state(running, after)
    assert (name, label, "differs on this device" in reason) == ("refused", "three", True)

    after, asked = len(running.lines), len(server.asked)
    file = publish(models["one"], served, mine)  # a roll-back is a newly signed offer of the old file
    assert _state(running, after) == ("adopted", "one", "")
    assert file not in [path for path, *_ in server.asked[asked:]]  # this device still had it

    for content, text in (
        (replayed, "older than the model that was in use"),
        (replayed.replace(b'"card_format": 1', b'"card_format": 9'), "was changed after it was signed"),
        (replayed[:-1], "is not signed"),
        (b"x" * (1 << 10), "is not signed"),
    ):
        after = len(running.lines)
        (tmp_path / "new").write_bytes(content)
        (tmp_path / "new").replace(served / OFFER)
        name, label, reason = _state(running, after)
        assert (name, label, text in reason) == ("refused", "one", True), reason
    after = len(running.lines)
    publish(models["two"], served, keys / "other")
    assert "signed by another key" in _state(running, after)[2]

    asked = len(server.asked)
    _until(lambda: len(server.asked) > asked + 3)
    assert {status for path, _, status in server.asked[asked + 1 :]} == {304}  # what has not changed is not sent again
    seen = running.stop()
    assert [line["frame"] for line in seen] == list(range(running.given))


def test_the_last_update_is_used_after_a_start_and_a_stick_is_enough(
    tmp_path: Path, keys: Path, models: dict[str, Path], start: Callable[[str], Running]
) -> None:
    stick = tmp_path / "stick"
    running = start(str(stick))  # the stick is not plugged in yet
    publish(models["two"], tmp_path / "made", keys / "mine")
    (tmp_path / "made").rename(stick)
    assert _state(running, 0) == ("adopted", "two", "")
    running.stop()
    shutil.rmtree(stick)
    (tmp_path / "model.tflite").write_bytes(b"damaged")
    again = start(str(stick))
    name, label, reason = _state(again, 0)
    assert (name, label, reason.endswith("Started with the last update.")) == ("refused", "two", True), reason
    again.stop()
    for kept in tmp_path.glob(".model.tflite.good-update*"):
        kept.unlink(missing_ok=True)
    for kept in tmp_path.glob("..model.tflite.good-update*"):
        kept.unlink()
    edgeclf("sign", models["one"], "--key", keys / "mine", "-o", tmp_path / "model.tflite")
    (tmp_path / ".model.tflite.good.version").write_text(f"{10**14}\n")  # the newest is lost: an older one is used
    once_more = start(str(stick))
    assert "0" not in once_more.stop()[-1]["answer"]


def test_failures_are_tried_again_later_and_later() -> None:
    assert [delay(3600, failures, 1) for failures in (1, 2, 3, 4, 99)] == [30, 60, 120, 240, 86_400]
    assert delay(3600, 3, 0) == 60
    assert (delay(3600, 0, 0), delay(3600, 0, 1)) == (3240, pytest.approx(3960))  # so that a fleet does not ask at once
    assert delay(100_000, 99, 1) == 100_000


def test_update_needs_a_trusted_key(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["run", str(MODEL), "--update", "/media/stick"])
    assert (done.exit_code, "update: needs trusted_key" in done.output) == (2, True)


def test_an_update_that_does_not_fit_leaves_the_disk_to_others(
    tmp_path: Path,
    keys: Path,
    models: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = publish(models["two"], tmp_path / "stick", keys / "mine")
    model, size = tmp_path / "model.tflite", (tmp_path / "stick" / file).stat().st_size
    edgeclf("sign", models["one"], "--key", keys / "mine", "-o", model)
    part = tmp_path / f".model.tflite.good-update-{hashlib.sha256(file.encode()).hexdigest()[:16]}.part"
    part.write_bytes(bytes(1000))  # left by an earlier attempt
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=3 * size - 1001))
    use = ModelUse(
        model, Classifier.load, [], print, Probation(model), Admission(TrustedKeys(keys / "mine.pub"), model)
    )
    poll = UpdatePoll(Folder(tmp_path / "stick"), use, every=0.05)
    poll.start(cast(ModelUser, SimpleNamespace(labels=(), backend="cpu")))
    _until(lambda: "an update needs" in caplog.text)
    poll.close()
    assert [path.name for path in tmp_path.iterdir() if path.name != "stick"] == ["model.tflite"]


def test_an_update_that_cannot_be_opened_leaves_the_deployed_model_in_use(
    tmp_path: Path, keys: Path, models: dict[str, Path]
) -> None:
    model, arrived = tmp_path / "model.tflite", tmp_path / ".model.tflite.good-update.tflite"
    for name, file in (("one", model), ("two", arrived)):
        edgeclf("sign", models[name], "--key", keys / "mine", "-o", file)
    LastGood(arrived).keep(version(arrived), ["two"])
    arrived.unlink()
    admission = Admission(TrustedKeys(keys / "mine.pub"), model)

    def suits(labels: tuple[str, ...]) -> None:
        if labels[0] == "two":
            raise UsageError("the settings name a label that it has not")

    opened = functools.partial(Classifier.load, admit=admission.check)
    for fits, label in ((lambda labels: None, "two"), (suits, "one")):
        poll = UpdatePoll(Folder(tmp_path / "stick"), ModelUse(model, opened, [], fits, Probation(model), admission))
        classifier, _ = poll.open_newest(endless=True)
        with classifier:
            assert classifier.card.labels[0] == label
        admission = Admission(TrustedKeys(keys / "mine.pub"), model)  # as after a start
        opened = functools.partial(Classifier.load, admit=admission.check)
