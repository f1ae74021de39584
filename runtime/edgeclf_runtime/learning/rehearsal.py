"""Rehearse the classes that a model file knows, from its prototypes, while it is taught others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.errors import ModelError
from edgeclf_runtime.model.examples import Examples
from edgeclf_runtime.model.familiarity import NO_CLASS, Familiarity
from edgeclf_runtime.model.prototypes import Vectors, comparable, compressed, unit_length

__all__ = ["known_images", "rehearsable", "rehearsed"]

_SAME = 0.9995  # cosine similarity of an image to itself, after rounding; of another photograph it is below 0.99


def rehearsed(familiarity: Familiarity) -> tuple[Vectors, npt.NDArray[np.int64]]:
    """Return typical features of a model's classes, float32 ``[prototypes, size]``, and their classes.

    A prototype is a ``comparable`` vector of length 1, which is undone here.

    Args:
        familiarity: see ``rehearsable``.
    """
    known = np.array(familiarity.classes) != NO_CLASS
    steps = familiarity.prototypes[known].astype(np.float32)
    unit = steps / np.linalg.norm(steps, axis=1, keepdims=True)
    lengths = np.array(familiarity.lengths, np.float32)[known, np.newaxis]
    features = np.sign(unit) * familiarity.scale * np.expm1(np.abs(unit) * lengths)
    return features.astype(np.float32), np.array(familiarity.classes, np.int64)[known]


def rehearsable(classifier: Classifier) -> Familiarity:
    """Return the familiarity of a model whose classes are kept, with the ``lengths`` of its prototypes.

    For a file that does not store them, they are estimated from its golden images. The new images would not do: in a
    network trained on digits, the features of photographs of bottles are 1.8 times as long.

    Raises:
        ModelError: the file has no prototypes.
    """
    familiarity = classifier.familiarity
    if familiarity is None or not (familiarity.lengths or classifier.golden):
        raise ModelError(
            f"{classifier.path}: has no prototypes of its classes, which --keep needs. A file that `edgeclf export` "
            "writes from a run has them. Or teach all classes without --keep."
        )
    if familiarity.lengths:
        return familiarity
    features = np.stack([np.asarray(classifier.classify(golden.pixels).features) for golden in classifier.golden])
    length = float(np.linalg.norm(compressed(features, familiarity.scale), axis=1).mean())
    return replace(familiarity, lengths=(max(length, 1e-3),) * len(familiarity.classes))


def known_images(familiarity: Familiarity, examples: Examples | None, features: Vectors) -> int:
    """Return how many images a model file was made from, as far as its prototypes and its example images show.

    Args:
        familiarity, examples: of the file; a class of up to 40 images has each of them as a prototype.
        features: features of the images, float32 ``[images, size]``.
    """
    stored = [familiarity.prototypes, *([] if examples is None else [examples.vectors])]
    unit = unit_length(np.concatenate(stored).astype(np.float32))
    return int(((comparable(features, familiarity.scale) @ unit.T).max(axis=1) > _SAME).sum())
