"""Measure and fit the calibration of scores, and suggest a threshold below which to answer "unknown"."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = [
    "RULE",
    "Acceptance",
    "Bin",
    "Reliability",
    "acceptance",
    "fit_temperature",
    "reliability",
    "suggest_threshold",
]

RULE = "the lowest of 0.01, 0.02 ... 0.99 at which the accepted answers are wrong at most half as often as all answers"

_BINS = 10
_TEMPERATURES = (0.05, 20.0)

Scores = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Bin:
    """Answers whose best score is in ``(low, high]``: count, mean score, and share of correct answers."""

    low: float
    high: float
    count: int
    score: float
    accuracy: float


@dataclass(frozen=True)
class Reliability:
    """Calibration: scores compared with accuracy.

    Attributes:
        error: expected calibration error in [0, 1], the mean distance between score and accuracy over all answers.
        bins: the bins that have answers, from low to high.
    """

    error: float
    bins: tuple[Bin, ...]


@dataclass(frozen=True)
class Acceptance:
    """The effect of a threshold on ``count`` answers: how many are accepted, and how many of these are correct."""

    count: int
    accepted: int
    right: int


def reliability(scores: Scores, targets: Indices) -> Reliability:
    """Compute the expected calibration error in ten bins of equal width (Guo et al., ICML 2017).

    scikit-learn's ``calibration_curve`` does not return the counts that the error is weighted by.

    Args:
        scores: probabilities ``[images, classes]``.
        targets: ``[images]``.
    """
    best, right = _best(scores), scores.argmax(axis=1) == targets
    bin_index = np.clip(np.ceil(best * _BINS).astype(np.int64) - 1, 0, _BINS - 1)
    bins = []
    for number in np.unique(bin_index):
        inside = bin_index == number
        mean, share = float(best[inside].mean()), float(right[inside].mean())
        bins.append(Bin(float(number / _BINS), float((number + 1) / _BINS), int(inside.sum()), mean, share))
    error = sum(item.count * abs(item.score - item.accuracy) for item in bins) / len(targets)
    return Reliability(error, tuple(bins))


def suggest_threshold(scores: Scores, targets: Indices) -> float | None:
    """Suggest the score below which to answer "unknown", by ``RULE``.

    Args:
        scores, targets: see ``reliability``; of images that the network was not trained on.

    Returns:
        a score, or None if all answers are correct or no score separates wrong answers from correct ones.
    """
    wrong = float((scores.argmax(axis=1) != targets).mean())
    for hundredths in range(1, 100) if wrong else ():
        kept = acceptance(scores, targets, hundredths / 100)
        if kept.accepted and kept.accepted - kept.right <= 0.5 * wrong * kept.accepted:
            return hundredths / 100
    return None


def acceptance(scores: Scores, targets: Indices, threshold: float) -> Acceptance:
    """Count the answers whose best score is at least ``threshold``, and the correct ones among them."""
    kept = _best(scores) >= threshold
    return Acceptance(len(targets), int(kept.sum()), int((scores.argmax(axis=1) == targets)[kept].sum()))


def fit_temperature(logits: Scores, targets: Indices) -> float:
    """Fit the temperature that minimizes the log loss of logits divided by it (Guo et al., ICML 2017).

    One extra image with all labels equally likely is added: otherwise scores would become 0 and 1 if all answers are
    correct.

    Args:
        logits: ``[images, classes]``, of images that the network was not trained on.
        targets: ``[images]``.

    Returns:
        the temperature, in [0.05, 20].
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    shown, rows = np.asarray(logits, np.float64), np.arange(len(targets))

    def loss(log: float) -> float:
        likely = log_softmax(shown / math.exp(log), axis=1)
        return -float(likely[rows, targets].sum() + likely.mean())

    low, high = _TEMPERATURES
    return math.exp(minimize_scalar(loss, bounds=(math.log(low), math.log(high)), method="bounded").x)


def _best(scores: Scores) -> npt.NDArray[np.float64]:
    return np.asarray(scores.max(axis=1), np.float64)
