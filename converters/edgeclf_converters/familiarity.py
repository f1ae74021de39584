"""Fit a converted file's familiarity to images; see ``edgeclf_runtime.learning.familiarity``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from edgeclf_converters.parity.scores import Labelled
from edgeclf_runtime.backends.pool import in_order
from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.learning.familiarity import fit_familiarity
from edgeclf_runtime.model.familiarity import Familiarity
from edgeclf_runtime.model.prototypes import Vectors
from edgeclf_runtime.pictures.preprocess import Pixels

__all__ = ["IMAGES", "array_familiarity", "image_features"]

IMAGES = 2000
"""Number of training images used at most."""


def image_features(classifier: Classifier, pictures: Iterable[Pixels]) -> Vectors | None:
    """Return the features of images, float32 ``[images, size]``; None if the network's cannot be found.

    Args:
        classifier: opened with ``features=True``.
        pictures: uint8 RGB ``[height, width, 3]``; at least one.
    """
    answers = in_order(classifier.classify, pictures, classifier.backend.lanes)
    rows = [answer.features for answer in answers]
    found = [row for row in rows if row is not None]
    return np.stack(found) if len(found) == len(rows) else None


def array_familiarity(
    calibration: Sequence[Pixels], validation: Labelled | None, training: Callable[[], Labelled] | None
) -> Callable[[Classifier], Familiarity | None] | None:
    """Return a function that fits an opened file's familiarity to images in memory; None without labelled images.

    Args:
        calibration: images to fit to without ``training``; the network's answers are their classes.
        validation: images to calibrate on; without them, or if they may have several labels, there is no familiarity.
        training: returns the images to fit to.
    """
    if validation is None or validation.presence is not None:
        return None

    def fit(classifier: Classifier) -> Familiarity | None:
        held_out = image_features(classifier, validation.pixels[:IMAGES])
        if held_out is None:
            return None
        if training is None:
            answers = [classifier.classify(pixels) for pixels in calibration]
            targets = np.array([answer.index for answer in answers])
            train = np.stack([answer.features for answer in answers if answer.features is not None])
            return fit_familiarity(train, targets, held_out)
        known = training()
        chosen = np.random.default_rng(0).permutation(len(known.targets))[:IMAGES]
        found = image_features(classifier, (known.pixels[row] for row in chosen))
        return None if found is None else fit_familiarity(found, known.classes[chosen], held_out)

    return fit
