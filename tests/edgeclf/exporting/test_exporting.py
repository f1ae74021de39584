"""The files and messages of the export of a real training."""

from __future__ import annotations

import json
import re
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from edgeclf import DataError, Quiet, Run, Terminal
from edgeclf.commands.export import export
from edgeclf.evaluation.foreign_images import FOREIGN, foreign_images
from edgeclf.exporting.figures import FileFigures
from edgeclf.runs.predictions import JUDGED, Answers, read_answers
from edgeclf_runtime import Classifier
from edgeclf_runtime.verification import verify


@pytest.fixture
def copy(run: Run, tmp_path: Path) -> Run:
    """A copy of the run that a test may change."""
    shutil.copytree(run.path, tmp_path / "run")
    return Run.open(tmp_path / "run")


def test_the_accuracy_on_the_test_part_is_reported(model: Path, float_model: Path, run: Run) -> None:
    with Classifier.load(model) as classifier, Classifier.load(float_model) as other:
        accuracy = classifier.card.accuracy
        assert set(other.card.accuracy) == {f"{part}_{kind}" for part in JUDGED for kind in ("float", "float32")}
    assert accuracy["test_float"] == run.read_json("metrics")["test"]["accuracy"]
    reported = run.read_json("report")["int8"]["test"]
    assert (reported["count"], reported["int8_accuracy"]) == (9, accuracy["test_int8"])
    assert reported["drop"] == pytest.approx(100 * (accuracy["test_float"] - accuracy["test_int8"]))
    assert "int8 file, test" in (run.path / "report.html").read_text("utf-8")
    assert "test part, int8" in model.with_suffix(".parity.html").read_text("utf-8")


def test_an_export_continues_without_the_test_images(float_model: Path, run: Run, tmp_path: Path) -> None:
    answers, messages = read_answers(run, Quiet()), list[str]()
    shutil.copytree(run.data, tmp_path / "photos")
    moved = {
        part: Answers(replace(answer.data, root=tmp_path / "photos"), answer.scores) for part, answer in answers.items()
    }
    (tmp_path / "photos" / moved["test"].data.files[0]).unlink()
    reporter = Quiet()
    reporter.say = messages.append
    with Classifier.load(float_model) as classifier:
        figures = FileFigures(moved, "float32", None, reporter)
        assert list(figures(classifier)) == ["validation_float32"]
        (tmp_path / "photos" / moved["validation"].data.files[0]).unlink()
        with pytest.raises(DataError, match="1 of 9 images is missing"):
            figures(classifier)
    assert figures.test is None
    assert [line for line in messages if "The test part is not evaluated: 1 of 9 images is missing" in line]


class _Interrupting(Terminal):
    """Presses Ctrl-C when the first file is finished."""

    def say(self, line: str) -> None:
        super().say(line)
        if line.startswith("ptq "):
            signal.raise_signal(signal.SIGINT)


def test_ctrl_c_keeps_the_best_file(copy: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeclf.progress.Terminal", _Interrupting)
    old = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a background job's tests inherit that it is ignored
    try:
        words = [str(copy.path), "--max-drop", "-100", "-o", str(tmp_path / "m.tflite")]
        done = CliRunner().invoke(export, words)
    finally:
        signal.signal(signal.SIGINT, old)
    assert done.exit_code == 130, done.output
    path = tmp_path / "m.over-max-drop.tflite"
    assert f"Kept the best file so far: {path}." in done.output
    assert f"edgeclf export --int8 --max-drop -100 {copy.path} -o {tmp_path / 'm.tflite'}" in done.output
    with Classifier.load(path) as classifier:
        stopped = classifier.card.provenance["int8 stopped"]
        assert verify(classifier).passed
    assert stopped.startswith("Interrupted during ")
    assert stopped in path.with_suffix(".parity.html").read_text("utf-8")
    assert copy.read_json("report")["int8"]["page"] == "../m.over-max-drop.parity.html"


def test_refusals_of_foreign_images_are_measured(model: Path, float_model: Path, run: Run) -> None:
    for path in (model, float_model):
        measured = json.loads(path.with_suffix(".unfamiliar.json").read_text("utf-8"))
        assert [kind["name"] for kind in measured["foreign"]] == list(FOREIGN)
        assert all(kind["count"] == 40 for kind in measured["foreign"])
        assert [left["name"] for left in measured["left_out"]] == ["0", "1", "2"]
        assert sum(left["count"] for left in measured["left_out"]) == measured["own"]["count"]
        refused = [kind["refused"] for kind in measured["foreign"]]
        assert sum(refused) > 160, refused  # none of them looks like a digit
        page = path.with_suffix(".unfamiliar.html").read_text("utf-8")
        assert "photographs" in page
        files = set(run.read_split().files)
        for item in measured["nearest"]:
            assert len(item["training"]) == 3
            assert item["likeness"] == sorted(item["likeness"], reverse=True)
        shown = re.findall(r"looks like .*?<br><span class=\"muted\">(.*?)</span>", page)
        assert set(shown) <= files
        assert len(shown) == 3 * len(measured["nearest"])


def test_foreign_images_are_the_same_each_time() -> None:
    for name in FOREIGN:
        first, second = foreign_images(name, 3), foreign_images(name, 3)
        assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))
        assert first[0].shape == (256, 256, 3)
        assert not np.array_equal(first[0], first[1])
