"""Fit what a model file needs to tell familiar images from others; see ``edgeclf_runtime.model.familiarity``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from edgeclf_converters.errors import ConversionError
from edgeclf_converters.parity.scores import Labelled
from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.model.familiarity import Familiarity, in_steps
from edgeclf_runtime.model.prototypes import comparable, prototypes_of, unit_length
from edgeclf_runtime.pictures.preprocess import Pixels

__all__ = ["IMAGES", "REJECT", "array_familiarity", "fit_familiarity", "image_features"]

REJECT = 0.05
"""Share of familiar images that may be refused, as suggested in the card of a file with familiarity."""

IMAGES = 2000
"""Number of training images used at most."""

_PROTOTYPES, _OF_A_CLASS = 512, 40  # at most
_DIRECTIONS = 128
_LEVELS = 200
_ENOUGH = 200  # validation images; of fewer, the least familiar 5% are less than ten images
_SMALL, _FOLDS, _MORE_FOLDS = 400, 5, 20  # with few training images each fold costs little, and its loss counts
_WEIGHTS = (2.0, 1.0)  # of the two measures

Vectors = npt.NDArray[np.float32]
Targets = npt.NDArray[np.int64]


def image_features(classifier: Classifier, pictures: Iterable[Pixels]) -> Vectors | None:
    """Return the features of images, float32 ``[images, size]``; None if the network's cannot be found.

    Args:
        classifier: opened with ``features=True``.
        pictures: uint8 RGB ``[height, width, 3]``; at least one.
    """
    rows = [classifier.classify(pixels).features for pixels in pictures]
    found = [row for row in rows if row is not None]
    return np.stack(found) if len(found) == len(rows) else None


def array_familiarity(
    calibration: Sequence[Pixels], validation: Labelled | None, training: Callable[[], Labelled] | None
) -> Callable[[Classifier], Familiarity | None] | None:
    """Return a function that fits the familiarity of an opened file to images in memory; None if none are labelled.

    Args:
        calibration: images to fit to if there is no ``training``; the network's answers are their classes.
        validation: images to calibrate on; without them there is no familiarity.
        training: returns the images to fit to.
    """
    if validation is None:
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
        return None if found is None else fit_familiarity(found, known.targets[chosen], held_out)

    return fit


def fit_familiarity(
    train: Vectors,
    targets: Targets,
    validation: Vectors,
    *,
    groups: Targets | None = None,
    nothing: int | None = None,
) -> Familiarity:
    """Fit prototypes and the subspace to the training images, and calibrate them on the validation images.

    Few validation images are too few for a share of 5%: then the training images are used, too, each measured with what
    was fitted without it. The network was trained on them, but that makes little difference; see docs/figures.md.

    Args:
        train: features of training images, float32 ``[images, size]``.
        targets: their classes, int64 ``[images]``.
        validation: features of images that were not trained on, float32 ``[images, size]``.
        groups: numbers of groups of training images that resemble one another, int64 ``[images]``; -1 for none.
        nothing: class of the images of nothing, which are not to be familiar; None if there is none.

    Raises:
        ConversionError: no images, or features that are not finite.
    """
    if not len(train) or not len(validation):
        raise ConversionError("Familiarity needs training and validation images.")
    if not (np.isfinite(train).all() and np.isfinite(validation).all()):
        raise ConversionError("The network's features are not finite, so what is familiar cannot be told.")
    fitted, found = _fitted(train, targets), []
    if len(validation) < _ENOUGH and len(train) >= 10:
        folds = _folds(targets, groups)
        for fold in np.unique(folds) if len(np.unique(folds)) > 1 else ():
            fitted_without = _fitted(train[folds != fold], targets[folds != fold])
            found += _measures(fitted_without, train[(folds == fold) & (targets != nothing)])
    return _calibrated(fitted, _measures(fitted, validation), found)


def _fitted(train: Vectors, targets: Targets) -> Familiarity:
    """Fit prototypes and the subspace, without calibration."""
    scale, labels = max(float(np.abs(train).mean()), 1e-9), np.unique(targets)
    unit = comparable(train, scale)
    count = max(1, min(_OF_A_CLASS, _PROTOTYPES // len(labels)))
    found = [prototypes_of(unit[targets == label], count) for label in labels]
    classes = tuple(int(label) for label, rows in zip(labels, found, strict=True) for _ in rows)
    directions = in_steps(_directions(unit))
    return Familiarity(in_steps(np.concatenate(found)), classes, directions, (0, 0), (1, 1), (0,), (0.5,), scale)


def _directions(unit: Vectors) -> Vectors:
    """Return the directions in which vectors are longest, an orthonormal basis, by the smaller of their two products.

    They are the first right singular vectors, in a fraction of the time of a singular value decomposition.
    """
    count, exact = min(_DIRECTIONS, *unit.shape), unit.astype(np.float64)
    if len(unit) > unit.shape[1]:
        return np.asarray(np.linalg.eigh(exact.T @ exact)[1][:, : -count - 1 : -1].T, np.float32)
    squares, sides = np.linalg.eigh(exact @ exact.T)
    kept = squares[: -count - 1 : -1] > 1e-9 * squares[-1]  # alike vectors span less
    return unit_length(np.asarray(sides[:, : -count - 1 : -1].T[kept] @ exact, np.float32))


def _folds(targets: Targets, groups: Targets | None) -> Targets:
    """Return the fold of each image, drawn alike each time: each class in all folds, each group in one."""
    folds, rng = np.empty_like(targets), np.random.default_rng(0)
    for label in np.unique(targets):
        rows = rng.permutation(np.flatnonzero(targets == label))
        folds[rows] = np.arange(len(rows)) % (_MORE_FOLDS if len(targets) <= _SMALL else _FOLDS)
    for group in np.unique(groups[groups >= 0]) if groups is not None else ():
        folds[groups == group] = folds[groups == group][0]
    return folds


def _measures(fitted: Familiarity, features: Vectors) -> list[tuple[float, float]]:
    return [(-1.0, 0.0) if (pair := fitted.measures(row)) is None else pair for row in features]


def _calibrated(
    fitted: Familiarity, validation: list[tuple[float, float]], more: list[tuple[float, float]]
) -> Familiarity:
    """Return a copy whose familiarity is the share of these images that are less familiar.

    Args:
        validation: measures of the validation images, whose means and spreads are used.
        more: measures of further images.
    """
    own = np.array(validation, np.float64)
    means, spreads = own.mean(axis=0), np.maximum(own.std(axis=0), 1e-3) / _WEIGHTS
    totals = np.sort(((np.array([*validation, *more], np.float64) - means) / spreads).sum(axis=1))
    # The share below the k-th of n is k / (n + 1) for a new image of the same kind, whatever their distribution is.
    shares = np.arange(1, len(totals) + 1) / (len(totals) + 1)
    kept = np.unique(np.linspace(0, len(totals) - 1, min(_LEVELS, len(totals))).round().astype(int))
    pair = (float(means[0]), float(means[1])), (float(spreads[0]), float(spreads[1]))
    return replace(fitted, means=pair[0], spreads=pair[1], levels=_tuple(totals[kept]), shares=_tuple(shares[kept]))


def _tuple(values: npt.NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
