"""What a model file refuses as unfamiliar: its own images, foreign ones, and each class as if it were unknown."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeclf.evaluation.foreign_images import FOREIGN, foreign_images
from edgeclf.evaluation.measuring import Measurement
from edgeclf_converters.familiarity import image_features
from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.learning.familiarity import REJECT, fit_familiarity
from edgeclf_runtime.model.familiarity import Familiarity
from edgeclf_runtime.model.prototypes import comparable

__all__ = ["Nearest", "Refused", "Unfamiliar", "measure_unfamiliar"]

_FOREIGN = 40  # number of images of each kind
_CLASSES = 12  # maximum number of classes left out in turn: each takes a fraction of a second
_SHOWN, _NEAREST = 24, 3

Targets = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Refused:
    """How many images of one kind are refused.

    Attributes:
        name: name of the kind, or label of the class.
        count: number of images.
        refused: how many have a familiarity below ``reject``.
    """

    name: str
    count: int
    refused: int


@dataclass(frozen=True)
class Nearest:
    """A validation image that is wrong or unfamiliar, with the training images most similar to it.

    Attributes:
        row: row of the image in the validation part.
        familiarity: familiarity of the image.
        answer: index of the best class.
        training: rows of the nearest images in the training part, nearest first.
        likeness: cosine similarity to each.
    """

    row: int
    familiarity: float
    answer: int
    training: tuple[int, ...]
    likeness: tuple[float, ...]


@dataclass(frozen=True)
class Unfamiliar:
    """The measurement.

    Attributes:
        reject: familiarity below which an image is refused.
        own: result for the validation images.
        foreign: result for each kind of foreign images.
        left_out: result for each class's validation images, with a familiarity fitted without the class.
        nearest: validation images to review, most confident wrong answers and least familiar ones first.
    """

    reject: float
    own: Refused
    foreign: tuple[Refused, ...]
    left_out: tuple[Refused, ...]
    nearest: tuple[Nearest, ...]

    def content(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        return asdict(self)


def measure_unfamiliar(
    classifier: Classifier,
    fitted: Familiarity,
    train: Measurement,
    validation: Measurement,
    labels: tuple[str, ...],
    groups: Targets,
) -> Unfamiliar:
    """Measure what is refused.

    Args:
        classifier: the file, opened with its features.
        fitted: its familiarity.
        train, validation: the file's evaluations, with features.
        labels: labels of the model.
        groups: groups of near-duplicates among the training images, int64 ``[images]``; -1 for none.
    """
    assert train.features is not None
    assert validation.features is not None
    familiar = _familiarities(fitted, validation.features)
    own = Refused("validation", *_refused(familiar[~validation.is_nothing]))
    foreign = tuple(_foreign(classifier, fitted, name) for name in FOREIGN)
    common = np.argsort(-np.bincount(validation.targets, minlength=len(labels)), kind="stable")[:_CLASSES]
    known = [
        int(label) for label in sorted(common) if (validation.targets == label).any() and label != validation.nothing
    ]
    left_out = tuple(_left_out(train, validation, label, labels[label], groups) for label in known)
    return Unfamiliar(REJECT, own, foreign, left_out, tuple(_nearest(train, validation, familiar, fitted.scale)))


def _familiarities(fitted: Familiarity, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    return np.array([fitted.of(row) for row in features])


def _refused(familiar: npt.NDArray[np.float64]) -> tuple[int, int]:
    """Return the number of images, and of refused ones."""
    return len(familiar), int((familiar < REJECT).sum())


def _foreign(classifier: Classifier, fitted: Familiarity, name: str) -> Refused:
    features = image_features(classifier, foreign_images(name, _FOREIGN))
    assert features is not None  # the file has familiarity
    return Refused(name, *_refused(_familiarities(fitted, features)))


def _left_out(train: Measurement, validation: Measurement, label: int, name: str, groups: Targets) -> Refused:
    assert train.features is not None
    assert validation.features is not None
    known = train.targets != label
    own = (validation.targets != label) & ~validation.is_nothing
    if not known.any() or not own.any():
        return Refused(name, 0, 0)
    fitted = fit_familiarity(
        train.features[known],
        train.targets[known],
        validation.features[own],
        groups=groups[known],
        nothing=validation.nothing,
    )
    return Refused(name, *_refused(_familiarities(fitted, validation.features[validation.targets == label])))


def _nearest(
    train: Measurement, validation: Measurement, familiar: npt.NDArray[np.float64], scale: float
) -> list[Nearest]:
    """Return the validation images that are wrong or refused, with what they resemble most."""
    assert train.features is not None
    assert validation.features is not None
    chosen, best = validation.scores.argmax(axis=1), validation.scores.max(axis=1)

    def order(row: int) -> float:
        return min(float(familiar[row]), 1 - float(best[row]))

    rows = sorted(np.flatnonzero((chosen != validation.targets) | (familiar < REJECT)).tolist(), key=order)[:_SHOWN]
    likeness = comparable(validation.features[rows], scale) @ comparable(train.features, scale).T
    nearest = np.argsort(-likeness, axis=1, kind="stable")[:, :_NEAREST]
    return [
        Nearest(
            row,
            float(familiar[row]),
            int(chosen[row]),
            tuple(int(index) for index in nearest[place]),
            tuple(float(likeness[place, index]) for index in nearest[place]),
        )
        for place, row in enumerate(rows)
    ]
