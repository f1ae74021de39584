"""Learning rate schedules of fine-tuning, as shares of the peak rate."""

from __future__ import annotations

import math

__all__ = ["warmup", "warmup_cosine"]

_WARMUP = 0.1  # share of all steps


def warmup(done: float) -> float:
    """Return the share of the peak rate after a share of all steps, both in [0, 1]: a linear rise, then constant."""
    return min(1.0, done / _WARMUP)


def warmup_cosine(done: float) -> float:
    """Return the share of the peak rate like ``warmup``, but with half a cosine down to zero after the rise."""
    return warmup(done) * 0.5 * (1 + math.cos(math.pi * max(0.0, done - _WARMUP) / (1 - _WARMUP)))
