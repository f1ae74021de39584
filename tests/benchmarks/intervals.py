"""The 95% interval of a mean over images that several seeds answered."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgeclf_converters.parity.parity import paired_interval

__all__ = ["by_image", "points_lost"]


def by_image(before: npt.NDArray[Any], after: npt.NDArray[Any]) -> tuple[float, float, float]:
    """Return the percentage points of accuracy lost, and their 95% interval.

    Several seeds do not add images: each image counts once, with its mean over the seeds.

    Args:
        before, after: which images were classified correctly, or in which share of cases, ``[seeds, images]``; row by
            row with the same seed.
    """
    means = (before.astype(np.float64) - after).mean(axis=0)
    low, high = paired_interval(means.sum(), np.square(means).sum(), len(means))
    return 100 * means.mean(), low, high


def points_lost(before: npt.NDArray[np.bool_], after: npt.NDArray[np.bool_]) -> str:
    """Format the result of ``by_image`` as text."""
    lost, low, high = by_image(before, after)
    return f"{lost:+.2f} ({low:+.2f} to {high:+.2f})"
