"""Group images by similarity, so that many similar ones can be sorted at once.

A group is one image and those that resemble it, never a chain, since a chain can link very different images. The image
that most others resemble comes first.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["FEATURES", "THUMBNAILS", "grouped"]

FEATURES, THUMBNAILS = 0.5, 0.9
"""Smallest cosine between two images of a group, of a network's features and of thumbnails; the mean is taken off.

On TrashNet's test part 97 to 98% of the images are then in a group of mostly their own class, see docs/figures.md.
"""

_MEAN = 0.9  # share of the mean that is subtracted: all of it would leave only noise if all images are alike
_ROWS = 512  # compared at a time

Vectors = npt.NDArray[np.float32]


def grouped(vectors: Vectors, likeness: float, apart: Sequence[str] = ()) -> list[list[int]]:
    """Return the rows of each group, most typical first.

    Args:
        vectors: vectors of the images, ``[images, size]``.
        likeness: minimum cosine similarity, such as ``FEATURES``.
        apart: a text for each image, such as its proposed class; images with different texts are never in one group.
    """
    if not len(vectors):
        return []
    unit = _unit(vectors)
    alike = np.concatenate([unit[row : row + _ROWS] @ unit.T >= likeness for row in range(0, len(unit), _ROWS)])
    np.fill_diagonal(alike, True)  # needed for a vector of zeros
    if apart:
        numbers = np.unique(np.asarray(apart), return_inverse=True)[1]
        alike &= numbers[:, None] == numbers
    counts, left, groups = alike.sum(axis=1), np.ones(len(unit), np.bool_), []
    while left.any():
        first = int(np.where(left, counts, -1).argmax())
        rows = np.flatnonzero(alike[first] & left)
        groups.append(rows[np.argsort(-(unit[rows] @ unit[first]), kind="stable")].tolist())
        left[rows] = False
        counts = counts - alike[:, rows].sum(axis=1)
    return groups


def _unit(vectors: Vectors) -> Vectors:
    apart = vectors - _MEAN * vectors.mean(axis=0)
    return np.asarray(apart / np.maximum(np.linalg.norm(apart, axis=1, keepdims=True), 1e-9), np.float32)
