"""The 95% interval of a mean over pictures that several seeds answered."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = ["by_picture", "points_lost"]


def by_picture(before: npt.NDArray[np.bool_], after: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    """Percentage points of accuracy lost, and their 95% interval.

    Seeds that answer the same pictures are no new pictures: each picture counts once, with its mean over the seeds. As
    Agresti & Min have it for paired shares (Statistics in Medicine 2005), which it is for one seed, two pictures are
    added: half a one that is lost, half a one that is won, one that is neither.

    Args:
        before, after: which pictures were right, ``[seeds, pictures]``; a row of both is of the same seed.
    """
    means = (before.astype(np.float64) - after).mean(axis=0)
    count = len(means) + 2
    middle = means.sum() / count
    variance = (np.square(means).sum() + 1) / count - middle**2
    half = 1.959964 * math.sqrt(variance / count)
    return 100 * means.mean(), 100 * (middle - half), 100 * (middle + half)


def points_lost(before: npt.NDArray[np.bool_], after: npt.NDArray[np.bool_]) -> str:
    """``by_picture`` for people."""
    lost, low, high = by_picture(before, after)
    return f"{lost:+.2f} ({low:+.2f} to {high:+.2f})"
