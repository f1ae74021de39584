"""A device whose model file was damaged, or replaced by a bad one, starts with the last good copy and reports it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeclf_runtime.system.state_folder import STATE
from edgeclf_runtime.updates.last_good import LastGood, version
from tests.model_files import bare, variant, wrong_golden
from tests.runtime.replaced_model import Running

Start = Callable[..., Running]


@pytest.fixture
def start(model: Path, digits: Path, tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts ``edgeclf run`` and waits for its first answer; called again, it restarts."""
    started: list[Running] = []

    def start(*words: str, **environment: str) -> Running:
        running = Running(model, next((digits / "1").iterdir()), tmp_path, *words, **environment)
        started.append(running)
        running.wait(lambda line: "frame" in line)
        return running

    yield start
    for running in started:
        running.close()


def _cut(path: Path, model: Path) -> None:
    path.write_bytes(model.read_bytes()[:5000])


def _copies(folder: Path) -> list[Path]:
    """Return the copies, the newest first."""
    copies = [path for path in folder.iterdir() if path.suffix == ".tflite" and path.name != "model.tflite"]
    return sorted(copies, key=lambda path: path.stat().st_mtime_ns, reverse=True)


def _refused(running: Running) -> dict[str, Any]:
    return running.wait(lambda line: "model" in line)


DAMAGES: dict[str, Callable[[Path, Path], object]] = {
    "cut": _cut,
    "empty": lambda path, model: path.write_bytes(b""),
    "golden scores": lambda path, model: variant(model, path, golden=wrong_golden),
    "removed": lambda path, model: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_it_starts_with_the_copy_and_says_so(damage: str, start: Start, model: Path, tmp_path: Path) -> None:
    first = start()
    assert not [line for line in first.lines if "model" in line]
    first.close()
    assert [path.read_bytes() for path in _copies(tmp_path)] == [model.read_bytes()]
    DAMAGES[damage](first.model, model)
    # "Running" would put the model there again.
    words = [sys.executable, "-m", "edgeclf_runtime", "run", str(first.model), "--source", str(tmp_path / "in")]
    command = [*words, "--watch", "--json", "--max-frames", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    state = next(line for line in done.stdout.splitlines() if '"model"' in line)
    assert '"refused"' in state
    assert f'"path": "{first.model}"' in state
    assert "Started with the last good copy of it." in state
    assert '"answer"' in done.stdout
    assert [path.read_bytes() for path in _copies(tmp_path)] == [model.read_bytes()]


def test_a_file_that_crashes_the_interpreter_does_not_crash_the_device(
    start: Start, model: Path, tmp_path: Path
) -> None:
    first = start()
    first.close()
    variant(model, first.model, labels=lambda text: text.replace("0", "nought"))
    first.crash.touch()
    assert "crashes (SIGSEGV)" in _refused(start())["reason"]


def test_what_is_adopted_is_what_is_kept_and_a_good_file_takes_over(start: Start, model: Path, tmp_path: Path) -> None:
    running = start("--reload")
    better = variant(model, tmp_path / "better", labels=lambda text: text.replace("0", "nought"))
    before, content = model.read_bytes(), better.read_bytes()
    assert running.put(better)["model"] == "adopted"
    bad = tmp_path / "bad"
    _cut(bad, model)
    assert running.put(bad)["model"] == "refused"
    running.close()
    again = start("--reload")
    state = _refused(again)
    assert (state["model"], state["labels"][0]) == ("refused", "nought")
    assert [path.read_bytes() for path in _copies(tmp_path)] == [content, before]
    best = variant(model, tmp_path / "best", labels=lambda text: text.replace("0", "none"))
    before, content = content, best.read_bytes()
    state = again.put(best)
    assert (state["model"], state["labels"][0]) == ("adopted", "none")
    again.stop()
    assert [path.read_bytes() for path in _copies(tmp_path)] == [content, before]


def test_a_service_keeps_it_in_its_own_folder(start: Start, model: Path, tmp_path: Path) -> None:
    own = tmp_path / "lib" / STATE / "edgeclf"
    own.mkdir(parents=True)
    start(STATE_DIRECTORY=f"{tmp_path}/other:{own}").close()
    assert not _copies(tmp_path)
    assert [path.read_bytes() for path in _copies(own)] == [model.read_bytes()]
    _cut(tmp_path / "model.tflite", model)
    assert "last good copy" in _refused(start(STATE_DIRECTORY=str(own)))["reason"]


def test_without_a_copy_it_is_an_error_as_ever_and_another_path_has_no_copy(
    start: Start, model: Path, tmp_path: Path
) -> None:
    start().close()
    other = tmp_path / "other.tflite"
    _cut(other, model)
    command = [sys.executable, "-m", "edgeclf_runtime", "run", str(other), "--source", str(tmp_path / "in"), "--watch"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {other}: ")


def test_a_damaged_copy_and_one_of_a_replaced_file_are_not_taken(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(model.read_bytes())
    good, judged = LastGood(path), version(path)
    good.keep(judged, ("a", "b"))
    copy = good.find()
    assert copy is not None
    assert copy.with_suffix(".txt").read_text("utf-8") == "a\nb\n"
    assert good.is_copied()
    copy.write_bytes(copy.read_bytes()[:-1])
    assert good.find() is None
    assert not good.is_copied()
    good.keep(judged, ("a", "b"))
    assert good.find() == copy
    path.write_bytes(b"another")
    good.keep(judged, ("a", "b"))
    assert good.find() == copy


def test_a_copy_that_cannot_be_written_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / f"{'m' * 200}.tflite"  # longer names cannot exist with the suffixes, up to 255 bytes
    path.write_bytes(b"content")
    LastGood(path).keep(version(path), ("a",))
    assert "a copy to start with" in caplog.messages[-1]
    assert list(tmp_path.iterdir()) == [path]


def test_a_foreign_model_keeps_the_labels_that_lay_beside_it(start: Start, model: Path, tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(bare(model))
    (tmp_path / "model.txt").write_text("nought\none\ntwo\n", "utf-8")
    start().close()
    (tmp_path / "model.txt").write_text("a new model of two classes\nb\n", "utf-8")
    state = _refused(start())
    assert state["labels"] == ["nought", "one", "two"]
    assert "2 labels for 3 outputs" in state["reason"]
