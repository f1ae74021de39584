"""Figures of images that may have several labels."""

from __future__ import annotations

import numpy as np
import pytest

from edgeclf.metrics.label_sets import choose_thresholds, fit_set_temperature, score_sets, set_losses, sigmoid


def _random(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    presence = rng.random((count, 4)) < (0.5, 0.3, 0.1, 0.05)
    return (rng.normal(0, 1.5, (count, 4)) + 2 * presence).astype(np.float32), presence


def test_figures_of_a_part_by_hand() -> None:
    scores = np.array([[0.9, 0.1], [0.8, 0.6], [0.7, 0.2], [0.1, 0.3]], np.float32)
    presence = np.array([[1, 0], [0, 1], [1, 0], [0, 0]], np.bool_)
    figures = score_sets(scores, presence, ("a", "b"), [0.75, 0.5])
    a, b = figures.labels
    assert (a.support, a.answers, a.precision, a.recall) == (2, 2, 0.5, 0.5)
    assert a.average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert (b.support, b.answers, b.precision, b.recall, b.average_precision) == (1, 1, 1.0, 1.0, 1.0)
    assert figures.mean_average_precision == pytest.approx((5 / 6 + 1) / 2)
    assert figures.exact == 0.5
    expected = -np.log([[0.9, 0.9], [0.2, 0.6], [0.7, 0.8], [0.9, 0.7]]).mean()
    assert figures.log_loss == pytest.approx(expected, rel=1e-6)


def test_a_label_that_no_image_has_does_not_count() -> None:
    scores, presence = _random(50, 0)
    presence[:, 3] = False
    figures = score_sets(scores, presence, "abcd", choose_thresholds(sigmoid(scores), presence, 0.9))
    assert (figures.labels[3].average_precision, figures.labels[3].recall, figures.labels[3].threshold) == (
        None,
        None,
        0.5,
    )
    assert figures.mean_average_precision == pytest.approx(np.mean([i.average_precision for i in figures.labels[:3]]))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("precision", [0.6, 0.9])
def test_a_threshold_is_the_lowest_that_reaches_the_precision(seed: int, precision: float) -> None:
    logits, presence = _random(300, seed)
    scores = np.round(sigmoid(logits), 2)
    chosen = choose_thresholds(scores, presence, precision)
    for label, threshold in enumerate(chosen):
        own, present = scores[:, label], presence[:, label]
        reached = [level for level in np.unique(own) if present[own >= level].mean() >= precision]
        if reached:
            assert (own >= threshold).tolist() == (own >= min(reached)).tolist()
        else:
            best = max(present[own >= level].mean() for level in np.unique(own))
            assert present[own >= threshold].mean() == best < precision


def test_the_temperature_has_the_lowest_loss_and_stays_finite() -> None:
    logits, presence = _random(400, 1)
    fitted = fit_set_temperature(logits * 3, presence)
    losses = {scale: set_losses(sigmoid(logits * 3 / (fitted * scale)), presence).mean() for scale in (0.8, 1.0, 1.25)}
    assert min(losses, key=losses.__getitem__) == 1.0
    assert fitted == pytest.approx(3 * fit_set_temperature(logits, presence), rel=0.02)
    perfect = np.where(presence, 5, -5).astype(np.float32)
    assert 0.5 < fit_set_temperature(perfect, presence) < 20
