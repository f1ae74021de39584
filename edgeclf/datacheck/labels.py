"""Find labels that are probably wrong, by confident learning (Northcutt, Jiang & Chuang, JAIR 2021).

Every image is classified by a model that was not fitted to it: logistic regression on the frozen backbone's features,
cross-validated so that copies of an image are in the same fold. A label is doubted if the model gives another class at
least the probability that this class's own images get on average.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeclf.training.linear_probe import standardise

__all__ = ["Doubt", "doubted", "folds", "judged"]

_FOLDS = 5
_STRENGTH = 0.01  # inverse regularization strength, for standardized features

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
Folds = list[tuple[Indices, Indices]]


@dataclass(frozen=True)
class Doubt:
    """An image's row, the class it more likely has, and the probabilities of that class and of its label."""

    row: int
    rather: int
    probability: float
    own: float


def folds(targets: Indices, groups: Indices) -> Folds:
    """Return pairs of rows to fit a model to and rows to classify with it, for up to five folds.

    Args:
        targets: int64 ``[images]``; every class has at least one image.
        groups: int64 ``[images]``; images with the same number stay in the same fold, -1 means no group.

    Returns:
        folds in which every row is classified once; empty if a class has too few groups to be in every fit.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    alone = groups < 0
    numbers = np.where(alone, groups.max(initial=-1) + 1 + np.cumsum(alone), groups)
    labels = np.unique(targets)
    count = min(_FOLDS, *(len(np.unique(numbers[targets == label])) for label in labels))
    if count < 2:
        return []
    splits = list(StratifiedGroupKFold(count, shuffle=True, random_state=0).split(targets, targets, numbers))
    return splits if all(len(np.unique(targets[fitted])) == len(labels) for fitted, _ in splits) else []


def judged(features: Floats, targets: Indices, folds: Folds) -> Floats:
    """Compute the probabilities of every class for every image, with models fitted to the other folds.

    Args:
        features: float32 ``[images, features]``; overwritten.
        targets: int64 ``[images]``.
        folds: from ``folds``, not empty.

    Returns:
        float32 ``[images, classes]``.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    standardise(features)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about max_iter
        judge = LogisticRegression(C=_STRENGTH, max_iter=200)
        probabilities = cross_val_predict(judge, features, targets, cv=folds, method="predict_proba")
    return np.asarray(probabilities, np.float32)


def doubted(probabilities: Floats, targets: Indices) -> list[Doubt]:
    """Return the images off the diagonal of the confident joint, most certain first.

    Args:
        probabilities: float32 ``[images, classes]``, from ``judged``.
        targets: int64 ``[images]``.
    """
    rows, classes = np.arange(len(targets)), probabilities.shape[1]
    own = probabilities[rows, targets]
    usual = np.array([own[targets == label].mean() for label in range(classes)])
    confident = np.where(probabilities >= usual, probabilities, 0)
    rather = confident.argmax(axis=1)
    wrong = np.flatnonzero((confident.max(axis=1) > own) & (rather != targets))
    order = wrong[np.argsort((own - probabilities[rows, rather])[wrong], kind="stable")]
    return [Doubt(int(r), int(rather[r]), float(probabilities[r, rather[r]]), float(own[r])) for r in order]
