"""A model file replaced under a running ``edgeclf run``: good ones are adopted, all others leave the one before."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeclf_runtime.decision import Decider, DecisionRule
from edgeclf_runtime.prediction import Prediction

COMMAND = [sys.executable, "-m", "edgeclf_runtime", "run"]

# Python runs this first, in the process that tries a file too: there it dies as an interpreter would that crashes.
CRASH = """
import os, signal, sys
if "verify" in sys.orig_argv and os.path.exists(os.environ["CRASH"]):
    os.kill(os.getpid(), signal.SIGSEGV)
"""


def _variant(model: Path, path: Path, **changed: Any) -> Path:
    """The same network with other entries in its archive, each given as a function of the old content."""
    with zipfile.ZipFile(model) as archive:
        names = {info.filename: archive.read(info) for info in archive.infolist()}
        flat = model.read_bytes()[: min(info.header_offset for info in archive.infolist())]
    path.write_bytes(flat)
    edits = {"labels": "labels.txt", "card": "edgeclf.json", "golden": "golden/scores.json"}
    for what, change in changed.items():
        names[edits[what]] = change(names[edits[what]].decode()).encode()
    with zipfile.ZipFile(path, "a") as archive:
        for name, content in names.items():
            archive.writestr(name, content)
    return path


def _wrong_golden(text: str) -> str:
    content = json.loads(text)
    content["scores"] = [row[::-1] for row in content["scores"]]
    return json.dumps(content)


class Running:
    """``edgeclf run --reload`` on a folder into which pictures go all the time."""

    def __init__(self, model: Path, picture: Path, folder: Path, *words: str) -> None:
        self.model, self._picture, self._pictures = folder / "model.tflite", picture, folder / "in"
        self._pictures.mkdir()
        shutil.copy(model, self.model)
        (folder / "site").mkdir()
        (folder / "site" / "sitecustomize.py").write_text(CRASH, "utf-8")
        self.crash = folder / "crash"
        environment = {**os.environ, "PYTHONPATH": str(folder / "site"), "CRASH": str(self.crash)}
        arguments = [str(self.model), "--source", str(self._pictures), "--watch", "--reload", "--json", *words]
        self.process = subprocess.Popen(
            [*COMMAND, *arguments], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
        )
        self.lines: list[dict[str, Any]] = []
        self.given, self._ended = 0, threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._read, self._feed)]
        for thread in self._threads:
            thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def _feed(self) -> None:
        for number in itertools.count():
            beside = self._pictures / f"{number:05}.part"
            shutil.copy(self._picture, beside)
            beside.rename(beside.with_suffix(".png"))
            self.given += 1
            if self._ended.wait(0.03):
                return

    def wait(self, wanted: Any, after: int = 0) -> dict[str, Any]:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            for line in self.lines[after:]:
                if wanted(line):
                    return line
            time.sleep(0.05)
        raise AssertionError(self.lines[-3:])

    def put(self, file: Path) -> dict[str, Any]:
        """Move it into the model's place; what became of it."""
        after = len(self.lines)
        os.replace(file, self.model)
        return self.wait(lambda line: "model" in line, after)

    def close(self) -> None:
        self._ended.set()
        self.process.kill()
        self.process.wait()
        for thread in self._threads:
            thread.join()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def stop(self) -> list[dict[str, Any]]:
        """The observations, after all pictures were seen."""
        self._ended.set()
        self._threads[1].join()
        last = f"{self.given - 1:05}.png"
        self.wait(lambda line: line.get("source", "").endswith(last))
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0
        self.close()
        return [line for line in self.lines if "frame" in line]


@pytest.fixture
def running(model: Path, digits: Path, tmp_path: Path) -> Iterator[Running]:
    running = Running(model, next((digits / "1").iterdir()), tmp_path)
    running.wait(lambda line: "frame" in line)
    yield running
    running.close()


def test_a_model_without_a_label_that_calls_for_action_is_refused(model: Path, digits: Path, tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text('[sinks]\non = ["1"]\ncommand = "true"\n', "utf-8")
    running = Running(model, next((digits / "1").iterdir()), tmp_path, "--config", str(config))
    try:
        running.wait(lambda line: "frame" in line)
        other = _variant(model, tmp_path / "other.tflite", labels=lambda text: text.replace("1", "one"))
        told = running.put(other)
        assert told["model"] == "refused"
        assert "on: the model has no label '1', did you mean" in told["reason"] or "its labels" in told["reason"]
    finally:
        running.close()


def test_a_good_file_is_adopted_between_two_frames_and_none_is_lost(
    running: Running, model: Path, tmp_path: Path
) -> None:
    def surer(text: str) -> str:
        return json.dumps({**json.loads(text), "threshold": 0.0})

    def rename(text: str) -> str:
        return "\n".join(f"digit {label}" for label in text.split()) + "\n"

    state = running.put(_variant(model, tmp_path / "new", labels=rename, card=surer))
    assert state["model"] == "adopted"
    assert state["labels"] == ["digit 0", "digit 1", "digit 2"]
    seen = running.stop()
    assert [line["frame"] for line in seen] == list(range(running.given))
    assert [Path(line["source"]).stem for line in seen] == [f"{number:05}" for number in range(running.given)]
    place = running.lines.index(state)
    assert not any(line["label"].startswith("digit") for line in running.lines[:place])
    assert all(line["label"].startswith("digit") for line in running.lines[place + 1 :])
    assert running.lines[place + 1]["changed"]  # its answer was not among the labels before
    assert all(line["answer"] == line["label"] for line in running.lines[place + 1 :])  # by the new card's threshold


def test_files_that_are_no_good_leave_the_one_before(running: Running, model: Path, tmp_path: Path) -> None:
    content = model.read_bytes()
    (tmp_path / "text").write_text("hello, world, this is text", "utf-8")
    (tmp_path / "cut").write_bytes(content[: len(content) // 2])
    _variant(model, tmp_path / "golden", golden=_wrong_golden)
    expected = {"text": "Not a TensorFlow Lite file", "cut": "cop", "golden": "differs on this device"}
    for name, reason in expected.items():
        state = running.put(tmp_path / name)
        assert (state["model"], state["labels"]) == ("refused", ["0", "1", "2"]), name
        assert reason in state["reason"], name
    running.crash.touch()
    state = running.put(_variant(model, tmp_path / "crash.tflite"))
    assert state["model"] == "refused"
    assert "the interpreter crashes (SIGSEGV)" in state["reason"]
    running.crash.unlink()
    assert running.put(_variant(model, tmp_path / "good"))["model"] == "adopted"
    seen = running.stop()
    assert [line["frame"] for line in seen] == list(range(running.given))
    assert sum(line["changed"] for line in seen) == 1  # the same answer goes on over a model with the same labels


def test_a_slow_copy_is_never_half_read(running: Running, model: Path, tmp_path: Path) -> None:
    slow = _variant(model, tmp_path / "slow.tflite", labels=lambda text: text.replace("0", "nought"))
    content = slow.read_bytes()
    after = len(running.lines)
    with running.model.open("wb", 0) as file:
        for part in range(8):
            file.write(content[part * len(content) // 8 : (part + 1) * len(content) // 8])
            time.sleep(0.4)
    state = running.wait(lambda line: "model" in line, after)
    assert (state["model"], state["labels"][0]) == ("adopted", "nought")
    running.model.unlink()
    time.sleep(2.5)
    assert running.process.poll() is None
    running.stop()
    assert sum("model" in line for line in running.lines) == 1


def _prediction(*scores: float, labels: tuple[str, ...] = ("a", "b")) -> Prediction:
    return Prediction(np.array(scores, np.float32), labels, {}, None)


def test_an_answer_outlives_a_model_that_has_its_label_and_no_other() -> None:
    decider = Decider(DecisionRule(smoothing=10), 0.5)
    assert decider.decide(_prediction(0.9, 0.1), 0.0).label == "a"
    decider.follow(("b", "a", "c"), 0.0)
    there = decider.decide(_prediction(0.2, 0.4, 0.1, labels=("b", "a", "c")), 0.1)
    assert (there.label, there.changed, there.since) == ("a", False, 0.0)
    decider.follow(("b", "c"), 0.0)
    assert decider.decide(_prediction(0.2, 0.1, labels=("b", "c")), 0.2).changed
