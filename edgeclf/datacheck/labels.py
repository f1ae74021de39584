"""Labels that look wrong, by confident learning (Northcutt, Jiang & Chuang, JAIR 2021).

Every picture is judged by classifiers that were not fitted to it: logistic regressions on the frozen backbone's
features, cross-validated so that copies of a picture are never on both sides. A label is doubted where the judge names
another class at least as surely as it does that class's own pictures on average.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeclf.training.linear_probe import standardise

__all__ = ["Doubt", "doubted", "folds", "judged"]

_FOLDS = 5
_STRENGTH = 0.01  # inverse regularisation, on standardised features

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
Folds = list[tuple[Indices, Indices]]


@dataclass(frozen=True)
class Doubt:
    """A picture's row, the class it rather is, and the probabilities of that class and of its label."""

    row: int
    rather: int
    probability: float
    own: float


def folds(targets: Indices, groups: Indices) -> Folds:
    """Rows to fit a judge to and rows for it to judge, up to five times.

    Args:
        targets: int64 ``[pictures]``; of every class one picture or more.
        groups: int64 ``[pictures]``; pictures of one number are in one fold, -1 stands alone.

    Returns:
        every row is judged once; nothing where a class has too few groups for every judge to have seen it.
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
    """Probabilities of every class for every picture, each from the other folds.

    Args:
        features: float32 ``[pictures, features]``, which are overwritten.
        targets: int64 ``[pictures]``.
        folds: of ``folds``, not empty.

    Returns:
        float32 ``[pictures, classes]``.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    standardise(features)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of stopping at max_iter
        judge = LogisticRegression(C=_STRENGTH, max_iter=200)
        probabilities = cross_val_predict(judge, features, targets, cv=folds, method="predict_proba")
    return np.asarray(probabilities, np.float32)


def doubted(probabilities: Floats, targets: Indices) -> list[Doubt]:
    """Pictures in the off-diagonal of the confident joint, the surest first.

    Args:
        probabilities: float32 ``[pictures, classes]``, of ``judged``.
        targets: int64 ``[pictures]``.
    """
    rows, classes = np.arange(len(targets)), probabilities.shape[1]
    own = probabilities[rows, targets]
    usual = np.array([own[targets == label].mean() for label in range(classes)])
    confident = np.where(probabilities >= usual, probabilities, 0)
    rather = confident.argmax(axis=1)
    wrong = np.flatnonzero((confident.max(axis=1) > own) & (rather != targets))
    order = wrong[np.argsort((own - probabilities[rows, rather])[wrong], kind="stable")]
    return [Doubt(int(r), int(rather[r]), float(probabilities[r, rather[r]]), float(own[r])) for r in order]
