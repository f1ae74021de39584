"""Compare two models' answers to the same images, paired (McNemar, 1947)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeclf_converters.parity.parity import mcnemar_p_value, paired_interval

__all__ = ["PairedDifference", "paired_difference"]


@dataclass(frozen=True)
class PairedDifference:
    """The difference between two models' accuracies on the same images.

    Attributes:
        count: number of images.
        before, after: number of images that the old and the new model got right.
        lost, won: number of images that only the old model, or only the new one, got right.
        points: the new model's accuracy minus the old one's, in percentage points.
        low, high: its 95% interval (Agresti & Min, Statistics in Medicine 2005).
        p_value: two-sided p-value of the exact McNemar test.
    """

    count: int
    before: int
    after: int
    lost: int
    won: int
    points: float
    low: float
    high: float
    p_value: float


def paired_difference(before: npt.NDArray[np.bool_], after: npt.NDArray[np.bool_]) -> PairedDifference:
    """Compare whether each image, bool ``[images]``, was right before and is right after; needs at least one image."""
    lost, won, count = int((before & ~after).sum()), int((after & ~before).sum()), len(before)
    low, high = paired_interval(won - lost, won + lost, count)
    p_value = mcnemar_p_value(lost, won)
    return PairedDifference(
        count, int(before.sum()), int(after.sum()), lost, won, 100 * (won - lost) / count, low, high, p_value
    )
