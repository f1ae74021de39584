"""Learning rates over a fine-tuning, as shares of the highest."""

from __future__ import annotations

import math

__all__ = ["warmup", "warmup_cosine"]

_WARMUP = 0.1  # share of all steps


def warmup(done: float) -> float:
    """Share of the highest rate when a share of all steps is done: a linear rise, then all of it."""
    return min(1.0, done / _WARMUP)


def warmup_cosine(done: float) -> float:
    """The same with half a cosine down to zero after the rise."""
    return warmup(done) * 0.5 * (1 + math.cos(math.pi * max(0.0, done - _WARMUP) / (1 - _WARMUP)))
