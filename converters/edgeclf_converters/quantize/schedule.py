"""Learning rate schedule of quantization-aware training, as shares of the peak rate."""

from __future__ import annotations

import math

__all__ = ["warmup_cosine"]

_WARMUP = 0.1  # share of all steps


def warmup_cosine(done: float) -> float:
    """Return the share of the peak rate after a share of all steps: a linear rise, then half a cosine to zero."""
    return min(1.0, done / _WARMUP) * 0.5 * (1 + math.cos(math.pi * max(0.0, done - _WARMUP) / (1 - _WARMUP)))
