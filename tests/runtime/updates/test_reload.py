"""A model file replaced under a running ``edgeclf run``: good ones are adopted, otherwise the previous one stays."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from edgeclf_runtime.commands.teach import teach
from edgeclf_runtime.decision.decision import Decider, DecisionRule
from edgeclf_runtime.prediction import Prediction
from tests.model_files import variant, without_familiarity, wrong_golden
from tests.runtime.replaced_model import Running


@pytest.fixture
def running(model: Path, digits: Path, tmp_path: Path) -> Iterator[Running]:
    running = Running(model, next((digits / "1").iterdir()), tmp_path, "--reload")
    running.wait(lambda line: "frame" in line)
    yield running
    running.close()


def test_a_model_without_a_label_that_calls_for_action_is_refused(model: Path, digits: Path, tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text('[sinks]\non = ["1"]\ncommand = "true"\n', "utf-8")
    running = Running(model, next((digits / "1").iterdir()), tmp_path, "--reload", "--config", str(config))
    try:
        running.wait(lambda line: "frame" in line)
        other = variant(model, tmp_path / "other.tflite", labels=lambda text: text.replace("1", "one"))
        told = running.put(other)
        assert told["model"] == "refused"
        assert "on: the model has no label '1', did you mean" in told["reason"] or "its labels" in told["reason"]
    finally:
        running.close()


def test_a_taught_file_is_adopted(running: Running, model: Path, digits: Path, tmp_path: Path) -> None:
    for digit, name in (("0", "zero"), ("1", "one")):
        shutil.copytree(digits / digit, tmp_path / "photos" / name)
    words = [str(model), str(tmp_path / "photos"), "-o", str(tmp_path / "taught.tflite")]
    assert CliRunner().invoke(teach, words).exit_code == 0
    state = running.put(tmp_path / "taught.tflite")
    assert (state["model"], state["labels"]) == ("adopted", ["one", "zero"])
    assert running.stop()[-1]["label"] == "one"


def test_a_good_file_is_adopted_between_two_frames_and_none_is_lost(
    running: Running, model: Path, tmp_path: Path
) -> None:
    def surer(text: str) -> str:
        return json.dumps({**json.loads(text), "threshold": 0.0})

    def rename(text: str) -> str:
        return "\n".join(f"digit {label}" for label in text.split()) + "\n"

    state = running.put(variant(model, tmp_path / "new", labels=rename, card=surer))
    assert state["model"] == "adopted"
    assert state["labels"] == ["digit 0", "digit 1", "digit 2"]
    seen = running.stop()
    assert [line["frame"] for line in seen] == list(range(running.given))
    assert [Path(line["source"]).stem for line in seen] == [f"{number:05}" for number in range(running.given)]
    place = running.lines.index(state)
    assert not any(line["label"].startswith("digit") for line in running.lines[:place])
    assert all(line["label"].startswith("digit") for line in running.lines[place + 1 :])
    assert running.lines[place + 1]["changed"]  # its answer was not among the previous labels
    assert all(line["answer"] == line["label"] for line in running.lines[place + 1 :])  # by the new card's threshold


def test_files_that_are_no_good_leave_the_one_before(running: Running, model: Path, tmp_path: Path) -> None:
    content = model.read_bytes()
    (tmp_path / "text").write_text("hello, world, this is text", "utf-8")
    (tmp_path / "cut").write_bytes(content[: len(content) // 2])
    variant(model, tmp_path / "golden", golden=wrong_golden)
    expected = {"text": "Not a TensorFlow Lite file", "cut": "cop", "golden": "differs on this device"}
    for name, reason in expected.items():
        state = running.put(tmp_path / name)
        assert (state["model"], state["labels"]) == ("refused", ["0", "1", "2"]), name
        assert reason in state["reason"], name
    running.crash.touch()
    state = running.put(variant(model, tmp_path / "crash.tflite"))
    assert state["model"] == "refused"
    assert "the interpreter crashes (SIGSEGV)" in state["reason"]
    running.crash.unlink()
    assert running.put(variant(model, tmp_path / "good"))["model"] == "adopted"
    seen = running.stop()
    assert [line["frame"] for line in seen] == list(range(running.given))
    assert sum(line["changed"] for line in seen) == 1  # the same answer continues with a model of the same labels


def test_a_slow_copy_is_never_half_read(running: Running, model: Path, tmp_path: Path) -> None:
    slow = variant(model, tmp_path / "slow.tflite", labels=lambda text: text.replace("0", "nought"))
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


def test_a_model_without_familiarity_takes_over_and_gives_it_back(model: Path, digits: Path, tmp_path: Path) -> None:
    running = Running(
        model,
        next((digits / "1").iterdir()),
        tmp_path,
        "--reload",
        "--csv",
        "rows",
        "--threshold",
        "0",
        "--reject",
        "1",
    )
    try:
        running.wait(lambda line: line.get("reason") == "unfamiliar")
        places = []
        for file in (without_familiarity(model, tmp_path / "plain"), shutil.copy(model, tmp_path / "again")):
            state = running.put(Path(file))
            assert state["model"] == "adopted", state
            places.append(running.lines.index(state))
            running.wait(lambda line: "frame" in line, places[-1])
        running.stop()
    finally:
        running.close()
    begins = [0, places[0] + 1, places[1] + 1, len(running.lines)]
    spans = [[line for line in running.lines[a:b] if "frame" in line] for a, b in pairwise(begins)]
    assert [{"familiarity" in line for line in span} for span in spans] == [{True}, {False}, {True}]
    assert [{line["answer"] == "unknown" for line in span} for span in spans] == [{True}, {False}, {True}]
    heads = [(tmp_path / name).read_text("utf-8").splitlines()[0] for name in ("rows.2", "rows.1", "rows")]
    assert [head.count(",") for head in heads] == [7, 5, 7]
    rows = [(tmp_path / name).read_text("utf-8").splitlines()[1:] for name in ("rows.2", "rows.1", "rows")]
    assert [len(part) for part in rows] == [len(span) for span in spans]


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
