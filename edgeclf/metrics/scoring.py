"""Score predictions: accuracy, log loss, confusion, and figures per class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["ClassFigures", "Score", "class_figures", "distinct_labels", "log_losses", "score", "softmax", "wilson"]


@dataclass(frozen=True)
class Score:
    """Figures of one part of a split; shares are in [0, 1].

    Attributes:
        count: number of images.
        correct: number of images whose best answer is right.
        accuracy: correct / count.
        low, high: 95% interval of the accuracy (Wilson).
        balanced: balanced accuracy, the mean of the classes' recalls.
        top5: share of images with the right label among the best five.
        log_loss: mean negative log probability of the right label, in nats.
        recall: share of each class's images that got its label, by label; classes without images are missing.
        confusion: ``confusion[i][j]`` is the number of images of class i that got label j.
    """

    count: int
    correct: int
    accuracy: float
    low: float
    high: float
    balanced: float
    top5: float
    log_loss: float
    recall: dict[str, float]
    confusion: list[list[int]]


@dataclass(frozen=True)
class ClassFigures:
    """Figures of one class.

    Attributes:
        label: the class's name.
        support: number of images of this class.
        answers: number of images that got this label.
        precision: share of the answers with this label that are correct; None if there is no such answer.
        recall: share of this class's images that got the label; None if there is no such image.
        low, high: the recall's 95% interval (Wilson), or None.
        f1: harmonic mean of precision and recall; 0 if either is None.
    """

    label: str
    support: int
    answers: int
    precision: float | None
    recall: float | None
    low: float | None
    high: float | None
    f1: float


def score(
    scores: npt.NDArray[np.float32],
    targets: npt.NDArray[np.int64],
    labels: Sequence[str],
    answers: npt.NDArray[np.int64] | None = None,
) -> Score:
    """Score probabilities ``[images, classes]`` against targets ``[images]``.

    Args:
        answers: int64 ``[images]``, the answers to count; by default those with the best scores.
    """
    from sklearn.metrics import confusion_matrix

    chosen, classes = scores.argmax(axis=1) if answers is None else answers, np.unique(targets)
    confusion = confusion_matrix(targets, chosen, labels=range(len(labels)))
    totals = confusion.sum(axis=1)
    shares = [float(confusion[i, i] / totals[i]) for i in classes]
    correct, count = int((chosen == targets).sum()), len(targets)
    low, high = wilson(correct, count)
    distinct = distinct_labels(labels)
    # Among equal scores (an int8 file has many at 0) the first class counts, as in the answers shown to users;
    # scikit-learn's top_k_accuracy_score takes the last.
    first = np.argsort(-scores, axis=1, kind="stable")[:, :5]
    return Score(
        count,
        correct,
        correct / count,
        low,
        high,
        sum(shares) / len(shares),
        float((first == targets[:, None]).any(axis=1).mean()),
        float(log_losses(scores, targets).mean()),
        {distinct[i]: share for i, share in zip(classes, shares, strict=True)},
        confusion.tolist(),
    )


def distinct_labels(labels: Sequence[str]) -> list[str]:
    """Return the labels, with the class's number added to labels that several classes share."""
    counts = Counter(labels)
    return [label if counts[label] == 1 else f"{label} ({i})" for i, label in enumerate(labels)]


def log_losses(scores: npt.NDArray[np.float32], targets: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return each image's negative log probability of the right label, in nats, at most 13.8: ``[images]``."""
    likely = scores[np.arange(len(targets)), targets].astype(np.float64)
    return np.asarray(-np.log(np.clip(likely, 1e-6, None)), np.float64)


def wilson(correct: int, count: int) -> tuple[float, float]:
    """Return the 95% interval of a share (Wilson, JASA 1927)."""
    from scipy.stats import binomtest

    interval = binomtest(correct, count).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def class_figures(confusion: Sequence[Sequence[int]], labels: Sequence[str]) -> list[ClassFigures]:
    """Compute the figures of every class from ``Score.confusion``."""
    from sklearn.metrics import precision_recall_fscore_support

    counts = np.asarray(confusion, np.int64)
    classes, answers = np.indices(counts.shape).reshape(2, -1)
    precision, recall, f1, _ = precision_recall_fscore_support(
        classes, answers, labels=range(len(labels)), sample_weight=counts.ravel(), zero_division=np.nan
    )
    figures = []
    for i, label in enumerate(labels):
        pictures, given = int(counts[i].sum()), int(counts[:, i].sum())
        low, high = wilson(int(counts[i, i]), pictures) if pictures else (None, None)
        shares = (float(precision[i]) if given else None, float(recall[i]) if pictures else None)
        figures.append(ClassFigures(label, pictures, given, *shares, low, high, float(np.nan_to_num(f1[i]))))
    return figures


def softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return probabilities from logits, both ``[images, classes]``."""
    from scipy import special

    return np.asarray(special.softmax(logits, axis=1), np.float32)
