"""Prototypes: a few typical vectors that stand for many."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["Vectors", "comparable", "compressed", "prototypes_of", "unit_length"]

_TURNS = 30  # iterations of k-means, which converges in fewer

Vectors = npt.NDArray[np.float32]


def prototypes_of(unit: Vectors, count: int) -> Vectors:
    """Return up to ``count`` typical vectors of length 1, by spherical k-means with a fixed seed.

    Args:
        unit: vectors of length 1, float32 ``[vectors, size]``; at least one.
        count: maximum number of prototypes; if there are no more vectors than that, they are the prototypes.
    """
    if len(unit) <= count:
        return unit
    centres, nearest = _spread_out(unit, count), np.full(len(unit), -1)
    for _ in range(_TURNS):
        before, nearest = nearest, (unit @ centres.T).argmax(axis=1)
        if (nearest == before).all():
            break
        centres = unit_length(np.stack([unit[nearest == index].sum(axis=0) for index in np.unique(nearest)]))
    return centres


def comparable(features: Vectors, scale: float) -> Vectors:
    """Return ``compressed`` features as vectors of length 1, whose dot products compare images."""
    return unit_length(compressed(features, scale))


def compressed(features: Vectors, scale: float) -> Vectors:
    """Return features, the large ones compressed logarithmically.

    Otherwise the few largest features of a fine-tuned network dominate, and strange images look familiar; near 0 it is
    linear, so that int8 rounding stays small. See docs/figures.md.

    Args:
        features: the network's features, float32 ``[vectors, size]``.
        scale: size of a typical feature, above 0.
    """
    return np.asarray(np.sign(features) * np.log1p(np.abs(features) / np.float32(scale)), np.float32)


def unit_length(vectors: Vectors) -> Vectors:
    """Return the vectors ``[vectors, size]`` scaled to length 1."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), np.float32)


def _spread_out(unit: Vectors, count: int) -> Vectors:
    """Choose vectors that are far apart, as k-means++ does (Arthur and Vassilvitskii, SODA 2007)."""
    rng = np.random.default_rng(0)
    chosen = [int(rng.integers(len(unit)))]
    distance = 1 - unit @ unit[chosen[0]]
    for _ in range(count - 1):
        weights = np.maximum(distance, 0).astype(np.float64)
        total = weights.sum()
        index = int(rng.choice(len(unit), p=weights / total)) if total > 0 else int(rng.integers(len(unit)))
        chosen.append(index)
        distance = np.minimum(distance, 1 - unit @ unit[index])
    return unit[chosen]
