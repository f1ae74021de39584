"""How much an image of an added class should count in ``edgeclf teach --keep``, on images held out of train/."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.learning.familiarity import fit_familiarity
from edgeclf_runtime.learning.logistic import Head, cross_validated
from edgeclf_runtime.learning.rehearsal import rehearsed
from edgeclf_runtime.model.prototypes import Vectors

__all__ = ["recalls"]

_FOLDS = 5
Targets = npt.NDArray[np.int64]


def recalls(
    features: Vectors, targets: Targets, count: int, known: int, balances: Sequence[float], seed: int
) -> npt.NDArray[np.float64]:
    """Add each class in turn to a head of the others; a fifth of the images is held out.

    Args:
        features: float32 ``[images, size]``.
        targets: class of each image.
        count: number of images of the added class.
        known: number of images of each other class, which are rehearsed from their prototypes.
        balances: see ``logistic.cross_validated``.
        seed: random seed of the images drawn.

    Returns:
        float64 ``[balances, 3]``: mean recall of the other classes, of the added class, and of all, on held-out images.
    """
    held = np.random.default_rng(99).permutation(len(targets)) < len(targets) // 5
    classes = int(targets.max()) + 1
    rounds = []
    for added in range(classes):
        places = np.argsort([*(c for c in range(classes) if c != added), added])  # the added class comes last
        drawn = [_drawn(targets, held, c, count if c == added else known, seed) for c in range(classes)]
        rows = np.concatenate([drawn[c] for c in range(classes) if c != added])
        old, own = (features[rows], places[targets[rows]]), features[drawn[added]]
        base = _head(old[0], old[1], Head(np.zeros((classes - 1, features.shape[1])), np.zeros(classes - 1)))
        typical, labels = rehearsed(fit_familiarity(*old, None))
        more = Head(np.concatenate([base.weights, np.zeros_like(base.weights[:1])]), np.append(base.bias, 0))
        both = np.concatenate([typical, own]), np.append(labels, np.full(len(own), classes - 1))
        parts = np.append(np.full(len(typical), -1), np.arange(len(own)) if len(own) > 1 else [-1])
        heads = [cross_validated(*both, parts, more, balance=balance).head for balance in balances]
        truth = places[targets[held]]
        rounds.append([_shares(head(features[held]).argmax(axis=1) == truth, truth) for head in heads])
    return np.asarray(np.mean(rounds, axis=0), np.float64)


def _drawn(targets: Targets, held: npt.NDArray[np.bool_], label: int, count: int, seed: int) -> Targets:
    rows = np.flatnonzero((targets == label) & ~held)
    return np.random.default_rng([seed, label]).permutation(rows)[:count]


def _head(features: Vectors, targets: Targets, start: Head) -> Head:
    folds = np.random.default_rng(0).permutation(len(targets)) % _FOLDS
    return cross_validated(features, targets, folds, start).head


def _shares(right: npt.NDArray[np.bool_], truth: Targets) -> tuple[float, float, float]:
    each = [float(right[truth == label].mean()) for label in np.unique(truth)]
    return float(np.mean(each[:-1])), each[-1], float(np.mean(each))
