"""Scores are probabilities, also for networks that end without a softmax."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeclf_runtime import Classifier, UsageError
from edgeclf_runtime.model.scores import ScoreRule

FILES = Path(__file__).parents[1] / "files"
RGB = ("red", "green", "blue")
RED = np.zeros((8, 8, 3), np.uint8)
RED[..., 0] = 255


def load(name: str, labels: tuple[str, ...] = RGB, **options: str) -> Classifier:
    given = {"mean": 0.0, "std": 255.0} if "int8" not in name and "binary" not in name else {}
    return Classifier.load(FILES / name, labels=labels, **given, **options)


@pytest.mark.parametrize("name", ["logits_int8.tflite", "logits_float.tflite", "log_softmax.tflite"])
def test_logits_become_probabilities(name: str) -> None:
    with load(name) as classifier:
        prediction = classifier.classify(RED)
        assert "without a softmax" in classifier.score_rule.note
    assert prediction.label == "red"
    assert prediction.scores.sum() == pytest.approx(1, abs=1e-5)
    assert 0 <= prediction.scores.min() <= prediction.scores.max() <= 1


def test_outputs_are_left_as_they_are_when_asked() -> None:
    with load("logits_int8.tflite", scores="raw") as classifier:
        assert classifier.classify(RED).score > 2
    with pytest.raises(UsageError, match="expected one of raw, softmax, sigmoid"):
        load("logits_int8.tflite", scores="logits")


def test_shares_without_a_softmax_are_no_logits() -> None:
    with load("shares.tflite") as classifier:
        assert classifier.score_rule == ScoreRule()
        assert classifier.classify(RED).scores == pytest.approx([1, 0, 0])


@pytest.mark.parametrize("name", ["binary_sigmoid.tflite", "binary_logit.tflite"])
def test_one_output_is_the_second_labels_score(name: str) -> None:
    with load(name, ("cold", "warm")) as classifier:
        warm, cold = classifier.classify(RED), classifier.classify(RED[..., ::-1].copy())
    assert (warm.label, cold.label) == ("warm", "cold")
    assert warm.scores.sum() == pytest.approx(1)
    assert warm.score == pytest.approx(0.68, abs=0.02)  # its ranges were measured on grey noise
    assert cold.scores == pytest.approx(warm.scores[::-1], abs=0.05)


def test_scores_that_are_none_are_said_once(caplog: pytest.LogCaptureFixture) -> None:
    with load("scaled.tflite") as classifier:
        classifier.classify(RED)
        classifier.classify(RED)
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [
        "its scores (0 to 240) are not probabilities. If they are logits: --scores softmax"
    ]


def test_a_broken_networks_scores_are_no_numbers() -> None:
    for way in ("softmax", "sigmoid"):
        assert np.isnan(ScoreRule(way).apply(np.array([np.nan, 1], np.float32))).any()


def test_a_threshold_means_something_on_the_command_line(tmp_path: Path) -> None:
    pinkish = np.full((64, 64, 3), (150, 140, 200), np.uint8)  # BGR
    cv2.imwrite(str(tmp_path / "pinkish.png"), pinkish)
    (tmp_path / "rgb.txt").write_text("\n".join(RGB), "utf-8")
    words = [FILES / "logits_int8.tflite", "--labels", tmp_path / "rgb.txt"]
    command = [sys.executable, "-m", "edgeclf_runtime"]
    done = subprocess.run(
        [*command, "classify", *words, tmp_path / "pinkish.png"], capture_output=True, text=True, check=True
    )
    assert "without a softmax" in done.stderr
    best = float(done.stdout.partition("red ")[2].partition("%")[0])
    assert 0 < best < 99
    run = [*command, "run", *words, "--source", tmp_path / "pinkish.png", "--threshold", "0.99"]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert "unknown" in done.stdout
