"""The learning rate of both trainings, the float one and the quantization-aware one."""

from __future__ import annotations

import math

__all__ = ["warmup_cosine"]

_WARMUP = 0.1  # share of all steps


def warmup_cosine(done: float) -> float:
    """Share of the highest rate when a share of all steps is done: a linear rise, then half a cosine down to zero."""
    if done < _WARMUP:
        return done / _WARMUP
    return 0.5 * (1 + math.cos(math.pi * (done - _WARMUP) / (1 - _WARMUP)))
