"""Compare float and int8 on the same images, paired (McNemar, 1947)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Flip", "Parity", "SetFlip", "compare", "mcnemar_p_value", "paired_interval"]


@dataclass(frozen=True)
class Flip:
    """An image whose best class changed; classes as indices into the labels."""

    row: int
    target: int
    float_class: int
    int8_class: int


@dataclass(frozen=True)
class SetFlip:
    """An image that may have several labels and whose answers changed; labels as indices."""

    row: int
    target: tuple[int, ...]
    float_class: tuple[int, ...]
    int8_class: tuple[int, ...]


@dataclass(frozen=True)
class Parity:
    """Comparison of float and int8; drops are in percentage points, positive if the float network is better.

    Attributes:
        count: number of images.
        float_accuracy, int8_accuracy: accuracies, in [0, 1]; mean average precisions if images may have several labels.
        lost, won: number of images that only the float network, or only the int8 file, got right.
        drop: drop of the accuracy.
        low, high: 95% interval of the drop (Agresti & Min, Statistics in Medicine 2005, for paired shares).
        p_value: p-value of the exact McNemar test, two-sided.
        flips: images whose best class changed.
    """

    count: int
    float_accuracy: float
    int8_accuracy: float
    lost: int
    won: int
    drop: float
    low: float
    high: float
    p_value: float
    flips: tuple[Flip, ...] | tuple[SetFlip, ...]


def compare(before: npt.NDArray[Any], after: npt.NDArray[Any], targets: npt.NDArray[np.int64]) -> Parity:
    """Compare the scores before and after, ``[images, classes]``, given the correct classes, int64 ``[images]``."""
    first, second = before.argmax(axis=1), after.argmax(axis=1)
    right, still = first == targets, second == targets
    lost, won = int((right & ~still).sum()), int((~right & still).sum())
    count = len(targets)
    low, high = paired_interval(lost - won, lost + won, count)
    flips = [Flip(int(i), int(targets[i]), int(first[i]), int(second[i])) for i in np.flatnonzero(first != second)]
    return Parity(
        count,
        float(right.mean()),
        float(still.mean()),
        lost,
        won,
        100 * (lost - won) / count,
        low,
        high,
        mcnemar_p_value(lost, won),
        tuple(flips),
    )


def paired_interval(total: float, squares: float, count: int) -> tuple[float, float]:
    """Return the 95% interval of the mean difference of two shares on the same images, in percentage points.

    This is Wald's interval with half a pair added to each of the table's four cells (Agresti & Min, 2005).

    Args:
        total, squares: sums of the images' differences, each in [-1, 1], and of their squares.
        count: number of images.
    """
    n = count + 2
    half = 1.959964 * math.sqrt(squares + 1 - total**2 / n) / n
    return 100 * max(-1.0, total / n - half), 100 * min(1.0, total / n + half)  # no difference is larger


def mcnemar_p_value(lost: int, won: int) -> float:
    """Return the two-sided p-value of the exact McNemar test, as scipy's ``binomtest``, without 110 MB of scipy.

    Args:
        lost, won: number of images that only the first network, or only the second, got right.
    """
    n = lost + won
    tail = sum(math.comb(n, k) for k in range(min(lost, won) + 1)) / 2**n
    return float(min(1.0, 2 * tail))
