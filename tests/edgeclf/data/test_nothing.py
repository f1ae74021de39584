"""Images in a folder ``_none`` are trained as a class that is never an answer."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import edgeclf
from edgeclf import Quiet, Run, make_config
from edgeclf.commands.evaluate import evaluate as evaluate_command
from edgeclf.data.folders import scan
from edgeclf.data.nothing import classes_text, without_nothing
from edgeclf.datacheck.check import Check
from edgeclf_runtime import Classifier
from tests.conftest import SMALL
from tests.model_files import variant


class _Lines(Quiet):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture(scope="module")
def photographs(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs of 0 and 1; those of 2 are in ``_none``."""
    folder = Path(shutil.copytree(digits, tmp_path_factory.mktemp("nothing") / "photos"))
    (folder / "2").rename(folder / "_none")
    return folder


@pytest.fixture(scope="module")
def nothing_model(sure_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the model file of a training on them, whose network distinguishes 0, 1 and 2."""
    path = tmp_path_factory.mktemp("nothing") / "model.tflite"
    return variant(sure_model, path, labels=lambda text: text.replace("2", "_none"))


def test_nothing_is_trained_like_a_class_and_reported_separately(photographs: Path, tmp_path: Path) -> None:
    reporter = _Lines()
    config = make_config({**SMALL, "size": 32, "train_size": 32, "tune": "head"})
    run = edgeclf.train(photographs, tmp_path / "run", config, reporter)
    data = Run.open(run.path).read_split()
    assert set(data.labels) == {"0", "1", "_none"}
    assert data.counts("train")[data.labels.index("_none")] > 10
    (line,) = [line for line in reporter.lines if " images of " in line and "train" in line]
    assert line.startswith("60 images of 2 classes and of nothing (_none) (0, 1): ")
    report = (run.path / "report.html").read_text("utf-8")
    assert "<b>_none</b> stands for images of none of the classes" in report


def test_nothing_is_never_an_answer(nothing_model: Path, photographs: Path) -> None:
    with Classifier.load(nothing_model) as classifier:
        predictions = [(path.parent.name, classifier.classify(path)) for path in sorted(photographs.rglob("*.png"))]
    assert all(prediction.answer != "_none" for _, prediction in predictions)
    named = [prediction for _, prediction in predictions if prediction.label == "_none"]
    assert len(named) > 10
    assert all((one.answer, one.reason) == ("unknown", "unfamiliar") for one in named)
    words = ["run", nothing_model, "--source", photographs / "_none", "--json", "--threshold", "0"]
    command = [sys.executable, "-m", "edgeclf_runtime", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["answer"] for line in lines if line["label"] == "_none"} == {"unknown"}


def test_unknown_is_the_right_answer_for_nothing(nothing_model: Path, photographs: Path) -> None:
    words = [str(nothing_model), str(photographs), "--json"]
    plain = json.loads(CliRunner().invoke(evaluate_command, [*words, "--reject", "0"]).stdout)
    strict = json.loads(CliRunner().invoke(evaluate_command, [*words, "--reject", "1"]).stdout)
    assert (plain["labels"], plain["refusals"]["nothing"]) == (["0", "1", "_none"], 20)
    assert plain["refusals"]["nothing_refused"] == plain["recall"]["_none"] * 20
    assert (strict["refusals"]["nothing_refused"], strict["recall"]["_none"]) == (20, 1)


def test_the_name_of_nothing_is_not_a_class(photographs: Path) -> None:
    data, _ = scan(photographs)
    assert classes_text(data.labels) == "2 classes and of nothing (_none)"
    assert without_nothing(data.labels) == ["0", "1"]
    assert classes_text(["a", "b"]) == "2 classes"
    assert classes_text(["a", "_none"]) == "1 class and of nothing (_none)"
    text = Check("photos", data, {"0": 20, "1": 20, "_none": 20}, ()).text()
    assert text.startswith("photos: 60 images of 2 classes and of nothing (_none).")
