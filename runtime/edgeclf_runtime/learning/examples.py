"""Choose training images that a model file shows as examples of its classes; see ``model.examples``."""

from __future__ import annotations

from typing import Callable

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.model.examples import Examples
from edgeclf_runtime.model.familiarity import in_steps
from edgeclf_runtime.model.prototypes import Vectors, comparable, prototypes_of
from edgeclf_runtime.pictures.preprocess import Pixels
from edgeclf_runtime.sinks.jpeg import small_jpeg

__all__ = ["choose_examples", "joined_examples"]

_OF_A_CLASS, _ALL, _CLASSES = 8, 96, 200  # maximum numbers; a file with more classes has no examples
_SIDE, _BYTES = 96, 8000  # maximum longer side in pixels, and maximum size of a JPEG in bytes


def choose_examples(
    features: Vectors,
    targets: npt.NDArray[np.int64],
    scale: float,
    read: Callable[[int], Pixels],
    nothing: int | None = None,
) -> Examples | None:
    """Return up to eight images of each class that differ from one another; None if there are too many classes.

    Args:
        features: of training images, float32 ``[images, size]``.
        targets: class of each image, int64 ``[images]``.
        scale: the familiarity's ``scale``.
        read: returns the pixels of an image by its row, uint8 RGB ``[height, width, 3]``.
        nothing: class of images of nothing, which are not examples; None if there is none.
    """
    labels = np.setdiff1d(targets, [] if nothing is None else [nothing])
    if not 0 < len(labels) <= _CLASSES:
        return None
    unit, count = comparable(features, scale), max(1, min(_OF_A_CLASS, _ALL // len(labels)))
    chosen: list[int] = []
    for label in labels:
        rows = np.flatnonzero(targets == label)
        likeness = prototypes_of(unit[rows], count) @ unit[rows].T
        chosen += sorted({int(rows[index]) for index in likeness.argmax(axis=1)})
    images = {row: small_jpeg(read(row), _SIDE, _BYTES) for row in chosen}
    kept = {row: image for row, image in images.items() if image is not None}
    if not kept:
        return None
    return Examples(in_steps(unit[list(kept)]), tuple(int(targets[row]) for row in kept), tuple(kept.values()), scale)


def joined_examples(known: Examples | None, new: Examples | None) -> Examples | None:
    """Return the examples of a model together with those of added classes; both have the same scale."""
    if known is None or new is None:
        return new or known
    vectors = np.concatenate([known.vectors, new.vectors])
    return Examples(vectors, known.classes + new.classes, known.images + new.images, known.scale)
