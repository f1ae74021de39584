"""Which pictures a model file is evaluated on, and what the figures mean."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from edgeclf import Quiet, evaluate
from edgeclf.errors import DataError
from edgeclf.evaluation import evaluation_folder
from edgeclf.scoring import score, wilson
from edgeclf_runtime import Classifier


def test_the_test_part_of_a_divided_folder_is_taken(tmp_path: Path) -> None:
    for part in ("train", "val", "test"):
        (tmp_path / part / "cat").mkdir(parents=True)
    assert evaluation_folder(tmp_path).name == "test"
    (tmp_path / "test" / "cat").rmdir()
    (tmp_path / "test").rmdir()
    assert evaluation_folder(tmp_path).name == "val"
    assert evaluation_folder(tmp_path / "train").name == "train"


def test_pictures_that_cannot_be_read_are_counted(model: Path, digits: Path, tmp_path: Path) -> None:
    shutil.copytree(digits / "1", tmp_path / "1")
    (tmp_path / "1" / "broken.png").write_text("x", "utf-8")
    with Classifier.load(model) as classifier:
        outcome = evaluate(classifier, tmp_path, Quiet())
    assert (outcome.score.count, len(outcome.skipped)) == (20, 1)
    assert list(outcome.score.recall) == ["1"]


def test_an_empty_folder_is_one_line(model: Path, tmp_path: Path) -> None:
    with Classifier.load(model) as classifier, pytest.raises(DataError, match="no pictures in it"):
        evaluate(classifier, tmp_path, Quiet())


def test_figures_of_a_small_example() -> None:
    scores = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.5, 0.4, 0.1], [0.1, 0.1, 0.8]], np.float32)
    figures = score(scores, np.array([0, 1, 1, 2]), ["a", "b", "c"])
    assert (figures.correct, figures.count, figures.accuracy) == (3, 4, 0.75)
    assert figures.recall == {"a": 1.0, "b": 0.5, "c": 1.0}
    assert figures.confusion == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    assert figures.log_loss == pytest.approx(-np.log([0.8, 0.7, 0.4, 0.8]).mean(), rel=1e-5)


def test_of_equal_scores_the_first_five_count() -> None:
    scores = np.zeros((2, 1000), np.float32)
    scores[:, 7] = 255 / 256
    labels = [str(i) for i in range(1000)]
    assert score(scores, np.array([3, 500]), labels).top5 == 0.5  # 7, then 0 to 3, as they are shown
    assert score(scores, np.array([7, 7]), labels).top5 == 1.0


def test_classes_that_share_a_label_are_told_apart() -> None:
    scores = np.eye(3, dtype=np.float32)[[0, 1, 0, 2]]
    figures = score(scores, np.array([0, 1, 1, 2]), ("crane", "crane", "x"))
    assert figures.recall == {"crane (0)": 1.0, "crane (1)": 0.5, "x": 1.0}
    assert figures.balanced == pytest.approx(2.5 / 3)


def test_names_that_are_not_utf8_are_shown_with_escapes(model: Path, digits: Path, tmp_path: Path) -> None:
    shutil.copytree(digits / "1", tmp_path / "1")
    (tmp_path / "1" / "b\udcff.png").write_text("x", "utf-8")
    with Classifier.load(model) as classifier:
        (skipped,) = evaluate(classifier, tmp_path, Quiet()).skipped
        assert r"b\xff.png" in skipped.reason
        (tmp_path / "gl\udcff").mkdir()
        with pytest.raises(DataError, match=r"gl\\xff: not a label"):
            evaluate(classifier, tmp_path, Quiet())


def test_the_interval_is_wilsons() -> None:
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
