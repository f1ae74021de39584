"""Learning rates over a quantization-aware training, as shares of the highest."""

from __future__ import annotations

import math

__all__ = ["warmup_cosine"]

_WARMUP = 0.1  # share of all steps


def warmup_cosine(done: float) -> float:
    """Share of the highest rate when a share of all steps is done: a linear rise, then half a cosine down to zero."""
    return min(1.0, done / _WARMUP) * 0.5 * (1 + math.cos(math.pi * max(0.0, done - _WARMUP) / (1 - _WARMUP)))
