"""Calibration figures of small sets of scores with known results."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from edgeclf.metrics.calibration import acceptance, fit_temperature, reliability, suggest_threshold
from edgeclf.metrics.scoring import class_figures, softmax


def _scores(best: list[float]) -> npt.NDArray[np.float32]:
    """Return scores of two classes; the given ones are those of the first class."""
    return np.array([[score, 1 - score] for score in best], np.float32)


def test_the_calibration_error_of_known_scores() -> None:
    # Four answers at 0.75, three correct: exactly calibrated. Two at 0.95, one correct: 0.45 off, a third of all.
    diagram = reliability(_scores([0.75] * 4 + [0.95] * 2), np.array([0, 0, 0, 1, 0, 1]))
    assert diagram.error == pytest.approx(0.45 / 3, abs=1e-6)
    assert [(item.count, item.accuracy) for item in diagram.bins] == [(4, 0.75), (2, 0.5)]
    assert [(item.low, item.high) for item in diagram.bins] == [(0.7, 0.8), (0.9, 1.0)]


def test_scores_of_one_and_on_bin_edges_are_counted() -> None:
    diagram = reliability(_scores([1.0, 1.0, 0.5]), np.array([0, 0, 0]))
    assert [(item.low, item.count) for item in diagram.bins] == [(0.4, 1), (0.9, 2)]


def test_the_threshold_is_the_lowest_that_halves_the_errors() -> None:
    # 2 of 10 are wrong: at most a tenth of the accepted may be. Without 0.55 one of nine is wrong, without 0.62 none.
    best = [0.55, 0.62, 0.7, 0.7, 0.8, 0.8, 0.9, 0.9, 0.95, 0.99]
    targets = np.array([1, 1] + [0] * 8)
    assert suggest_threshold(_scores(best), targets) == 0.63
    kept = acceptance(_scores(best), targets, 0.63)
    assert (kept.count, kept.accepted, kept.right) == (10, 8, 8)


def test_the_threshold_refuses_the_wrong_answers_below_all_right_ones() -> None:
    assert suggest_threshold(_scores([0.6] + [0.9] * 9), np.array([1] + [0] * 9)) == 0.61


def test_no_threshold_is_suggested_where_none_separates_wrong_answers() -> None:
    assert suggest_threshold(_scores([0.6, 0.7, 0.8]), np.array([0, 0, 0])) is None
    assert suggest_threshold(_scores([0.6, 0.7, 0.995]), np.array([0, 0, 1])) is None


def test_precision_recall_and_f1_of_a_known_confusion() -> None:
    first, second, third = class_figures([[3, 1, 0], [2, 4, 0], [0, 0, 0]], ["a", "b", "c"])
    assert (first.support, first.precision, first.recall) == (4, 0.6, 0.75)
    assert first.f1 == pytest.approx(2 * 0.6 * 0.75 / (0.6 + 0.75))
    assert (second.precision, second.support) == (0.8, 6)
    assert (third.support, third.precision, third.recall, third.f1) == (0, None, None, 0.0)


def test_softmax_of_huge_logits() -> None:
    assert softmax(np.array([[1000.0, 1000.0], [0.0, -1000.0]], np.float32)).tolist() == [[0.5, 0.5], [1.0, 0.0]]


def _drawn(count: int, sharpness: float) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return logits, and labels drawn from the softmax of the logits times ``sharpness``."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (count, 4)).astype(np.float32)
    likely = softmax(logits * np.float32(sharpness))
    return logits, np.array([rng.choice(4, p=row / row.sum()) for row in likely.astype(np.float64)])


@pytest.mark.parametrize("sharpness", [0.4, 1.0, 2.5])
def test_the_temperature_matches_confidence_to_accuracy(sharpness: float) -> None:
    logits, targets = _drawn(4000, sharpness)
    temperature = fit_temperature(logits, targets)
    assert temperature == pytest.approx(1 / sharpness, rel=0.1)
    assert reliability(softmax(logits / np.float32(temperature)), targets).error < 0.02


def test_a_few_correct_images_do_not_push_every_score_to_one() -> None:
    logits = np.array([[2.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 2.0], [2.0, 0.0, 0.0]], np.float32)
    scores = softmax(logits / np.float32(fit_temperature(logits, np.array([0, 1, 2, 0]))))
    assert 0.8 < scores.max(axis=1).min() < 0.95
