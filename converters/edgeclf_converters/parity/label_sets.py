"""Compare float and int8 on images that may have several labels: mean average precision, and answers that changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeclf_converters.parity.parity import Parity, SetFlip, mcnemar_p_value

__all__ = ["average_precisions", "compare_sets", "set_log_loss"]

_RESAMPLES = 200

Presence = npt.NDArray[np.bool_]


def compare_sets(
    before: npt.NDArray[Any], after: npt.NDArray[Any], presence: Presence, thresholds: Sequence[float] = ()
) -> Parity:
    """Compare the scores before and after, ``[images, labels]``.

    The accuracies are mean average precisions, and the drop's interval is by bootstrap over images. An image counts as
    lost if its answers were exactly its labels and no longer are.

    Args:
        before, after: the scores.
        presence: which labels each image has, bool ``[images, labels]``.
        thresholds: scores from which on a label is an answer; if empty, 0.5 for each.
    """
    limits = np.asarray(thresholds or [0.5] * presence.shape[1], np.float32)
    first, second = before >= limits, after >= limits
    right, still = (first == presence).all(axis=1), (second == presence).all(axis=1)
    lost, won = int((right & ~still).sum()), int((~right & still).sum())
    drop, low, high = _drop(before, after, presence)
    flips = [
        SetFlip(int(row), _indices(presence[row]), _indices(first[row]), _indices(second[row]))
        for row in np.flatnonzero((first != second).any(axis=1))
    ]
    mean = float(np.nanmean(average_precisions(before, presence)))
    p_value = mcnemar_p_value(lost, won)
    return Parity(len(presence), mean, mean - drop / 100, lost, won, drop, low, high, p_value, tuple(flips))


def _indices(answers: Presence) -> tuple[int, ...]:
    return tuple(int(label) for label in np.flatnonzero(answers))


def _drop(before: npt.NDArray[Any], after: npt.NDArray[Any], presence: Presence) -> tuple[float, float, float]:
    """Return the drop of the mean average precision and its 95% interval, in percentage points."""
    rng, count = np.random.default_rng(0), len(presence)
    drops = [_difference(before, after, presence)]
    for _ in range(_RESAMPLES):
        rows = rng.integers(0, count, count)
        if presence[rows].any():
            drops.append(_difference(before[rows], after[rows], presence[rows]))
    low, high = np.quantile(drops, (0.025, 0.975))
    return 100 * drops[0], 100 * float(low), 100 * float(high)


def _difference(before: npt.NDArray[Any], after: npt.NDArray[Any], presence: Presence) -> float:
    apart = average_precisions(before, presence) - average_precisions(after, presence)
    return round(float(np.nanmean(apart)), 9)  # the order of summation changes the last digits


def average_precisions(scores: npt.NDArray[Any], presence: Presence) -> npt.NDArray[np.float64]:
    """Return each label's average precision, as scikit-learn's, NaN if no image has it: float64 ``[labels]``."""
    return np.array([_average_precision(scores[:, i], presence[:, i]) for i in range(presence.shape[1])])


def _average_precision(scores: npt.NDArray[Any], present: Presence) -> float:
    order = np.argsort(-scores, kind="stable")
    ranked, right = scores[order], np.cumsum(present[order])
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))  # images of equal scores count together
    if not right[-1]:
        return float("nan")
    gained = np.diff(right[ends], prepend=0) / right[-1]
    return float((gained * right[ends] / (ends + 1)).sum())


def set_log_loss(scores: npt.NDArray[Any], presence: Presence) -> float:
    """Return the mean negative log probability of a label's presence or absence, in nats."""
    return float(-np.log(np.clip(np.where(presence, scores, 1 - scores), 1e-4, None)).mean())
