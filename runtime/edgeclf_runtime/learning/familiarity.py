"""Fit what tells familiar images from others to a network's features; see ``model.familiarity``."""

from __future__ import annotations

from dataclasses import replace
from typing import Callable

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.errors import ModelError
from edgeclf_runtime.model.familiarity import NO_CLASS, Familiarity, in_steps
from edgeclf_runtime.model.prototypes import Vectors, compressed, prototypes_of, unit_length

__all__ = ["REJECT", "extend_familiarity", "fit_familiarity"]

REJECT = 0.05
"""Share of familiar images that may be refused, as suggested in the card of a file with familiarity."""

_PROTOTYPES, _OF_A_CLASS = 512, 40  # maximum numbers
_DIRECTIONS = 128
_MORE_DIRECTIONS = 64
_LEVELS = 200
_ENOUGH = 200  # number of validation images; with fewer, the least familiar 5% are less than ten images
_SMALL, _FOLDS, _MORE_FOLDS = 400, 5, 20  # with few training images each fold costs little, and each image matters
_ALONE = 60  # maximum number of training images with a fold each
_WEIGHTS = (2.0, 1.0)  # weights of the two measures

Targets = npt.NDArray[np.int64]


def fit_familiarity(
    train: Vectors,
    targets: Targets,
    validation: Vectors | None,
    *,
    groups: Targets | None = None,
    nothing: int | None = None,
) -> Familiarity:
    """Fit prototypes and the subspace to the training images, and calibrate them on the validation images.

    If validation images are too few for a share of 5%, the training images are used, too, each measured with a model
    that was fitted without it. The network was trained on them, but that makes little difference; see docs/figures.md.

    Args:
        train: features of training images, float32 ``[images, size]``.
        targets: their classes, int64 ``[images]``.
        validation: features of images that were not trained on, float32 ``[images, size]``; None if there are none:
            then only the training images are used for calibration, each measured with a model fitted without it.
        groups: group numbers of training images that resemble each other, int64 ``[images]``; -1 for none.
        nothing: class of the images of nothing, which must not become familiar; None if there is none.

    Raises:
        ModelError: there are no images, or features are not finite.
    """
    if not len(train) or (validation is not None and not len(validation)):
        raise ModelError("Familiarity needs training and validation images.")
    if not (np.isfinite(train).all() and (validation is None or np.isfinite(validation).all())):
        raise ModelError("The network's features are not finite, so familiarity cannot be computed.")
    fitted = _fitted(train, targets)
    if validation is None:
        folds = _folds(targets, groups, alone=_ALONE)
        return _calibrated(fitted, _left_out(_fitted, train, targets, folds, nothing), [])
    folds = _folds(targets, groups)
    few = len(validation) < _ENOUGH and len(train) >= 10 and len(np.unique(folds)) > 1
    more = _left_out(_fitted, train, targets, folds, nothing) if few else []
    return _calibrated(fitted, _measures(fitted, validation), more)


def extend_familiarity(
    known: Familiarity, features: Vectors, targets: Targets, *, groups: Targets, nothing: int | None = None
) -> Familiarity:
    """Return a copy that knows further images, including further classes.

    Args:
        known: prototypes of the classes so far.
        features, targets, groups, nothing: as for ``fit_familiarity``; known classes get more prototypes.
    """

    def fit(some: Vectors, classes: Targets) -> Familiarity:
        return _extended(known, some, classes)

    new = _left_out(fit, features, targets, _folds(targets, groups, alone=_ALONE), nothing)
    totals = np.sort([known.total(pair) for pair in new])
    classes = set(known.classes) | set(targets.tolist())
    weight = len(set(targets.tolist())) / len(classes - {NO_CLASS})  # as if each class had as many images
    levels = np.sort(np.concatenate([totals, known.levels]))
    below = np.searchsorted(totals, levels, side="right") / (len(totals) + 1)
    shares = (1 - weight) * np.array([known.share(level) for level in levels]) + weight * below
    return replace(fit(features, targets), levels=_tuple(levels), shares=_tuple(shares.clip(1e-6, 1 - 1e-6)))


def _extended(known: Familiarity, features: Vectors, targets: Targets) -> Familiarity:
    """Add prototypes of these images, and the directions in which they differ from the known ones."""
    long, labels = compressed(features, known.scale), np.unique(targets)
    unit, added = unit_length(long), [_typical(long[targets == label], _OF_A_CLASS) for label in labels]
    basis = unit_length(known.directions.astype(np.float32))
    rest = np.asarray(unit - (unit @ basis.T) @ basis, np.float32)
    directions = in_steps(_directions(rest)[:_MORE_DIRECTIONS])
    return replace(
        known,
        prototypes=np.concatenate([known.prototypes, *(in_steps(rows) for rows, _ in added)]),
        classes=(*known.classes, *(int(label) for label, (rows, _) in zip(labels, added) for _ in rows)),
        directions=np.concatenate([known.directions, directions]),
        lengths=(*known.lengths, *(length for _, lengths in added for length in lengths)) if known.lengths else (),
    )


def _typical(long: Vectors, count: int) -> tuple[Vectors, tuple[float, ...]]:
    """Return prototypes of a class's ``compressed`` features, and the mean length of those that each stands for."""
    unit, lengths = unit_length(long), np.linalg.norm(long, axis=1).astype(np.float64)
    rows = prototypes_of(unit, count)
    nearest = (unit @ rows.T).argmax(axis=1)
    sums, counts = (np.bincount(nearest, weights, len(rows)) for weights in (lengths, None))
    means = np.where(counts > 0, sums / np.maximum(counts, 1), lengths.mean())  # of equal prototypes one has all
    return rows, _tuple(np.maximum(means, 1e-3))


def _left_out(
    fit: Callable[[Vectors, Targets], Familiarity],
    train: Vectors,
    targets: Targets,
    folds: Targets,
    nothing: int | None,
) -> list[tuple[float, float]]:
    """Return the measures of each fold's images, with what was fitted to the other folds."""
    found = []
    for fold in np.unique(folds):
        if (folds == fold).all():  # one image, or near-duplicates alone: nothing else to fit to
            return []
        fitted = fit(train[folds != fold], targets[folds != fold])
        found += _measures(fitted, train[(folds == fold) & (targets != nothing)])
    return found


def _fitted(train: Vectors, targets: Targets) -> Familiarity:
    """Fit prototypes and the subspace, without calibration."""
    scale, labels = max(float(np.abs(train).mean()), 1e-9), np.unique(targets)
    long = compressed(train, scale)
    count = max(1, min(_OF_A_CLASS, _PROTOTYPES // len(labels)))
    found = [_typical(long[targets == label], count) for label in labels]
    classes = tuple(int(label) for label, (rows, _) in zip(labels, found) for _ in rows)
    prototypes = in_steps(np.concatenate([rows for rows, _ in found]))
    directions = in_steps(_directions(unit_length(long)))
    lengths = tuple(length for _, lengths in found for length in lengths)
    blank = Familiarity(prototypes, classes, directions, (0, 0), (1, 1), (0,), (0.5,), scale)
    return replace(blank, lengths=lengths)


def _directions(unit: Vectors) -> Vectors:
    """Return the directions in which vectors are longest, an orthonormal basis, computed from the smaller Gram matrix.

    They are the first right singular vectors, in a fraction of the time of a singular value decomposition.
    """
    count, exact = min(_DIRECTIONS, *unit.shape), unit.astype(np.float64)
    if len(unit) > unit.shape[1]:
        return np.asarray(np.linalg.eigh(exact.T @ exact)[1][:, : -count - 1 : -1].T, np.float32)
    squares, sides = np.linalg.eigh(exact @ exact.T)
    kept = squares[: -count - 1 : -1] > 1e-9 * squares[-1]  # similar vectors span fewer directions
    return unit_length(np.asarray(sides[:, : -count - 1 : -1].T[kept] @ exact, np.float32))


def _folds(targets: Targets, groups: Targets | None, alone: int = 0) -> Targets:
    """Return the fold of each image, always drawn the same: each class is in all folds, each group in one.

    With up to ``alone`` images, each has its own fold.
    """
    folds, rng = np.arange(len(targets)), np.random.default_rng(0)
    for label in np.unique(targets) if len(targets) > alone else ():
        rows = rng.permutation(np.flatnonzero(targets == label))
        folds[rows] = np.arange(len(rows)) % (_MORE_FOLDS if len(targets) <= _SMALL else _FOLDS)
    for group in np.unique(groups[groups >= 0]) if groups is not None else ():
        folds[groups == group] = folds[groups == group][0]
    if groups is not None and (folds == folds[0]).all():  # one group in each class, or one image
        folds = np.unique(groups, return_inverse=True)[1].reshape(-1) % _MORE_FOLDS
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
    # For a new image of the same kind, the share below the k-th of n is k / (n + 1), whatever the distribution.
    shares = np.arange(1, len(totals) + 1) / (len(totals) + 1)
    kept = np.unique(np.linspace(0, len(totals) - 1, min(_LEVELS, len(totals))).round().astype(int))
    pair = (float(means[0]), float(means[1])), (float(spreads[0]), float(spreads[1]))
    return replace(fitted, means=pair[0], spreads=pair[1], levels=_tuple(totals[kept]), shares=_tuple(shares[kept]))


def _tuple(values: npt.NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
