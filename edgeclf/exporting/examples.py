"""Choose training images that a model file shows as examples of its classes; see ``edgeclf_runtime.model.examples``."""

from __future__ import annotations

import numpy as np

from edgeclf.data.dataset import Dataset
from edgeclf.evaluation.measuring import Measurement
from edgeclf_runtime.model.examples import Examples
from edgeclf_runtime.model.familiarity import in_steps
from edgeclf_runtime.model.prototypes import comparable, prototypes_of
from edgeclf_runtime.sinks.jpeg import small_jpeg

__all__ = ["choose_examples"]

_OF_A_CLASS, _ALL, _CLASSES = 8, 96, 200  # at most; a file with more classes has no examples
_SIDE, _BYTES = 96, 8000  # pixels of the longer side, and bytes of a JPEG at most


def choose_examples(train: Measurement, data: Dataset, scale: float) -> Examples | None:
    """Return up to eight images of each class that differ from one another; None if there are too many classes.

    Args:
        train: the file's evaluation of training images, with features.
        data: the same images, in this order.
        scale: of the familiarity.
    """
    assert train.features is not None
    labels = np.unique(train.targets)
    if len(labels) > _CLASSES:
        return None
    unit, count = comparable(train.features, scale), max(1, min(_OF_A_CLASS, _ALL // len(labels)))
    chosen: list[int] = []
    for label in labels:
        rows = np.flatnonzero(train.targets == label)
        likeness = prototypes_of(unit[rows], count) @ unit[rows].T
        chosen += sorted({int(rows[index]) for index in likeness.argmax(axis=1)})
    images = {row: small_jpeg(data.picture(data.files[row]), _SIDE, _BYTES) for row in chosen}
    kept = {row: image for row, image in images.items() if image is not None}
    if not kept:
        return None
    classes = tuple(int(train.targets[row]) for row in kept)
    return Examples(in_steps(unit[list(kept)]), classes, tuple(kept.values()), scale)
