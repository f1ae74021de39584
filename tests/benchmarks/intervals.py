"""The 95% interval of a mean over pictures that several seeds answered."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = ["by_picture", "points_lost"]


def by_picture(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """The interval of the mean of ``values`` ``[seeds, pictures]``, each from -1 to 1.

    Seeds that answer the same pictures are no new pictures: each picture counts once, with its mean over the seeds. As
    Agresti & Min have it for paired shares (Statistics in Medicine 2005), which it is for one seed, two pictures are
    added: half a one of 1, half a one of -1, one of 0.
    """
    means = values.mean(axis=0)
    count = len(means) + 2
    middle = means.sum() / count
    variance = (np.square(means).sum() + 1) / count - middle**2
    half = 1.959964 * math.sqrt(variance / count)
    return middle - half, middle + half


def points_lost(before: npt.NDArray[np.bool_], after: npt.NDArray[np.bool_]) -> str:
    """Points of accuracy lost and their interval; right answers ``[seeds, pictures]`` of the same runs and pictures."""
    lost = before.astype(np.float64) - after.astype(np.float64)
    low, high = by_picture(lost)
    return f"{100 * lost.mean():+.2f} ({100 * low:+.2f} to {100 * high:+.2f})"
