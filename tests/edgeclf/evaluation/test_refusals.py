"""``edgeclf evaluate`` counts the images that a model refuses, by reason."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeclf import evaluate
from edgeclf_runtime import Classifier
from tests.edgeclf.evaluation.commands import evaluated_json, run_evaluate, write_list


@pytest.fixture(scope="module")
def strangers(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The training images, and noise in another folder."""
    folder = Path(shutil.copytree(digits, tmp_path_factory.mktemp("strangers") / "all"))
    (folder / "_none").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3)).astype(np.uint8)
    for number in range(5):
        cv2.imwrite(str(folder / "_none" / f"{number}.png"), np.roll(noise, 9 * number, 0))
    return folder


def test_refusals_are_counted_by_reason(model: Path, digits: Path, strangers: Path) -> None:
    plain = evaluated_json(model, digits, "--reject", 0)
    evaluated = evaluated_json(model, strangers, "--reject", 0.01)
    refusals = evaluated["refusals"]
    assert (refusals["count"], refusals["nothing"], refusals["nothing_refused"]) == (60, 5, 5)
    assert evaluated["labels"] == ["0", "1", "2", "_none"]
    assert evaluated["correct"] == plain["correct"] + 5  # "unknown" is correct for images of nothing
    assert not any(item["label"] == "_none" for item in evaluated["wrong"])
    assert refusals["accuracy"] == refusals["right"] / (60 - refusals["unfamiliar"] - refusals["undecided"])
    none = evaluated_json(model, strangers, "--reject", 0)
    assert none["refusals"]["unfamiliar"] == 0
    wrong = [item for item in none["wrong"] if item["label"] == "_none"]
    assert len(wrong) == 5 - none["refusals"]["nothing_refused"]
    assert all(0 <= item["familiarity"] <= 1 and item["reason"] in (None, "undecided") for item in none["wrong"])
    everything = evaluated_json(model, digits, "--reject", 1)["refusals"]
    assert (everything["unfamiliar"], everything["right"], everything["accuracy"]) == (60, 0, None)


def test_refusals_are_printed_and_shown_on_the_page(model: Path, strangers: Path, tmp_path: Path) -> None:
    done = run_evaluate(model, strangers, "--reject", 1, "--page", tmp_path / "page.html")
    assert done.exit_code == 0, done.output
    assert 'Answered "unknown": 60 of 60 (100.0%), 60 unfamiliar, 0 undecided\n' in done.stdout
    assert 'Images of none of the classes answered "unknown": 5 of 5 (100.0%)' in done.stdout
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "60 unfamiliar and 0 undecided of 60" in page
    assert "5 of 5 are rightly answered “unknown”" in page
    own = run_evaluate(model, strangers, "--reject", 0)
    assert "of the others" in own.stdout


def test_only_images_of_nothing_can_be_evaluated(model: Path, strangers: Path, tmp_path: Path) -> None:
    shutil.copytree(strangers / "_none", tmp_path / "data" / "_none")
    with Classifier.load(model) as classifier:
        assert evaluate(classifier, tmp_path / "data", reject=0.01).refusals.nothing_refused == 5
    lines = ["file,label", *(f"_none/{number}.png,_none" for number in range(5))]
    assert evaluated_json(model, write_list(tmp_path / "data", "list.csv", lines), "--reject", 0.01)["accuracy"] == 1


def test_without_familiarity_only_the_threshold_refuses(digits: Path) -> None:
    kept = Path(__file__).parents[2] / "kept" / "0.1" / "model.tflite"
    done = run_evaluate(kept, kept.parent / "photos")
    assert done.exit_code == 0, done.output
    evaluated = evaluated_json(kept, kept.parent / "photos")
    assert evaluated["refusals"]["unfamiliar"] == 0
    asked = run_evaluate(kept, kept.parent / "photos", "--reject", 0.5)
    assert asked.stderr.count("has no familiarity, so reject refuses nothing") == 1
    assert not any("familiarity" in item for item in evaluated["wrong"])
    assert ('Answered "unknown"' in done.stdout) == bool(evaluated["refusals"]["undecided"])
