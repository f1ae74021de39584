"""Float against int8 on the same pictures, paired (McNemar, 1947)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Flip", "Parity", "compare"]


@dataclass(frozen=True)
class Flip:
    """A picture whose best class changed; classes as indices into the labels."""

    row: int
    target: int
    float_class: int
    int8_class: int


@dataclass(frozen=True)
class Parity:
    """What rounding did; drops in percentage points, positive where the float network was better.

    Attributes:
        count: pictures.
        float_accuracy, int8_accuracy: shares.
        lost, won: pictures that only the float network, only the integer one got right.
        drop: of accuracy.
        low, high: its 95% interval (Agresti & Min, Statistics in Medicine 2005, for paired shares).
        p_value: of no difference (exact McNemar test, two-sided).
        flips: pictures with another best class.
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
    flips: tuple[Flip, ...]


def compare(before: npt.NDArray[Any], after: npt.NDArray[Any], targets: npt.NDArray[np.int64]) -> Parity:
    """Compare the scores ``[pictures, classes]`` of both with the right classes ``[pictures]``."""
    first, second = before.argmax(axis=1), after.argmax(axis=1)
    right, still = first == targets, second == targets
    lost, won = int((right & ~still).sum()), int((~right & still).sum())
    count = len(targets)
    low, high = _interval(lost, won, count)
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
        _p_value(lost, won),
        tuple(flips),
    )


def _interval(lost: int, won: int, count: int) -> tuple[float, float]:
    """Wald's on the table with half a pair added to each of its four cells."""
    b, c, n = lost + 0.5, won + 0.5, count + 2
    middle = (b - c) / n
    half = 1.959964 * math.sqrt((b + c) - (b - c) ** 2 / n) / n
    return 100 * (middle - half), 100 * (middle + half)


def _p_value(lost: int, won: int) -> float:
    n = lost + won
    tail = sum(math.comb(n, k) for k in range(min(lost, won) + 1)) / 2**n
    return float(min(1.0, 2 * tail))
