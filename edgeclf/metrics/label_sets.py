"""Score images that may have several labels: average precision, and a threshold for each label."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = [
    "LabelFigures",
    "SetScore",
    "choose_thresholds",
    "fit_set_temperature",
    "score_sets",
    "set_losses",
    "sigmoid",
]

_TEMPERATURES = (0.05, 20.0)
_UNCHOSEN = 0.5  # threshold of a label that no image has
_LOWEST, _HIGHEST = 0.01, 0.99

Scores = npt.NDArray[np.float32]
Presence = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class LabelFigures:
    """Figures of one label.

    Attributes:
        label: the label's name.
        support: number of images that have it.
        answers: number of images whose score is at least the threshold.
        threshold: the score from which on the label is an answer.
        precision: share of the answers that are correct; None without answers.
        recall: share of the images with the label that got it; None without such images.
        average_precision: area under the curve of precision by recall; None without images that have the label.
    """

    label: str
    support: int
    answers: int
    threshold: float
    precision: float | None
    recall: float | None
    average_precision: float | None


@dataclass(frozen=True)
class SetScore:
    """Figures of one part of a split; shares are in [0, 1].

    Attributes:
        count: number of images.
        mean_average_precision: mean of the labels' average precisions (macro mAP), except labels that no image has.
        exact: share of images whose answers are exactly their labels.
        log_loss: mean negative log probability of a label's presence or absence, in nats.
        labels: figures of each label.
    """

    count: int
    mean_average_precision: float
    exact: float
    log_loss: float
    labels: tuple[LabelFigures, ...]


def score_sets(scores: Scores, presence: Presence, labels: Sequence[str], thresholds: Sequence[float]) -> SetScore:
    """Score probabilities ``[images, labels]``.

    Args:
        scores: probability of each label.
        presence: which labels each image has, bool ``[images, labels]``.
        labels: names of the labels.
        thresholds: one for each label, see ``choose_thresholds``.
    """
    answers = scores >= np.asarray(thresholds, np.float32)
    figures = tuple(
        _figures(label, scores[:, i], presence[:, i], answers[:, i], float(thresholds[i]))
        for i, label in enumerate(labels)
    )
    averages = [item.average_precision for item in figures if item.average_precision is not None]
    mean = float(np.mean(averages)) if averages else 0.0
    exact = float((answers == presence).all(axis=1).mean())
    return SetScore(len(scores), mean, exact, float(set_losses(scores, presence).mean()), figures)


def _figures(label: str, scores: Scores, present: Presence, answers: Presence, threshold: float) -> LabelFigures:
    from sklearn.metrics import average_precision_score

    support, given, right = int(present.sum()), int(answers.sum()), int((answers & present).sum())
    average = float(average_precision_score(present, scores)) if support else None
    shares = (right / given if given else None, right / support if support else None)
    return LabelFigures(label, support, given, threshold, *shares, average)


def set_losses(scores: Scores, presence: Presence) -> npt.NDArray[np.float64]:
    """Return each image's negative log probability of its labels, as a mean over labels, in nats: ``[images]``."""
    likely = np.where(presence, scores, 1 - scores).astype(np.float64)
    return np.asarray(-np.log(np.clip(likely, 1e-6, None)).mean(axis=1), np.float64)


def choose_thresholds(scores: Scores, presence: Presence, precision: float) -> list[float]:
    """Choose a threshold for each label: the lowest at which its answers reach a precision.

    A threshold is halfway between two scores, so that quantization changes few answers. If no threshold reaches the
    precision, the one with the best precision is chosen; a label that no image has gets 0.5.

    Args:
        scores, presence: see ``score_sets``; of images that the network was not trained on.
        precision: the target precision, in (0, 1].
    """
    return [_threshold(scores[:, i], presence[:, i], precision) for i in range(scores.shape[1])]


def _threshold(scores: Scores, present: Presence, precision: float) -> float:
    if not present.any():
        return _UNCHOSEN
    order = np.argsort(-scores, kind="stable")
    ranked, right = scores[order].astype(np.float64), np.cumsum(present[order])
    ends = np.flatnonzero(np.append(np.diff(ranked) < 0, True))  # the last image of each score
    precisions = right[ends] / (ends + 1)
    reached = ends[precisions >= precision]
    last = int(reached[-1] if len(reached) else ends[np.flatnonzero(precisions == precisions.max())[-1]])
    below = ranked[last + 1] if last + 1 < len(ranked) else 0.0
    return float(np.clip((ranked[last] + below) / 2, _LOWEST, _HIGHEST))


def fit_set_temperature(logits: Scores, presence: Presence) -> float:
    """Fit the temperature that minimizes the log loss of logits divided by it; see ``fit_temperature``.

    One extra image with each label as likely as not is added: otherwise scores would become 0 and 1 if all answers are
    correct.

    Args:
        logits: ``[images, labels]``, of images that the network was not trained on.
        presence: bool ``[images, labels]``.
    """
    from scipy.optimize import minimize_scalar

    signed = np.where(presence, 1, -1) * np.asarray(logits, np.float64)

    def loss(log: float) -> float:
        scaled = signed / math.exp(log)
        own, other = np.logaddexp(0, -scaled), np.logaddexp(0, scaled)
        return float(own.sum() + (own + other).mean(axis=0).sum() / 2)

    low, high = _TEMPERATURES
    return math.exp(minimize_scalar(loss, bounds=(math.log(low), math.log(high)), method="bounded").x)


def sigmoid(logits: Scores) -> Scores:
    """Return probabilities from logits, both ``[images, labels]``."""
    from scipy import special

    return np.asarray(special.expit(logits), np.float32)
