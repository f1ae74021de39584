"""Prediction: the result of classifying one image."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from edgeclf_runtime.frame import Frame

__all__ = ["NOTHING", "UNDECIDED", "UNFAMILIAR", "UNKNOWN", "Prediction", "joined_labels"]

UNKNOWN = "unknown"
"""The answer if an image is unfamiliar, or no score reaches the threshold."""
UNFAMILIAR = "unfamiliar"
"""Reason for the answer "unknown": the image is unlike those that the model was trained on, or shows ``NOTHING``."""
UNDECIDED = "undecided"
"""Reason for the answer "unknown": no score reaches the threshold."""
NOTHING = "_none"
"""Label of a class that was trained on images of nothing that the other classes name; never an answer."""


def joined_labels(labels: Sequence[str]) -> str:
    """Write labels as ``a|b``, and no label as ``NOTHING``."""
    return "|".join(labels) or NOTHING


@dataclass(frozen=True, eq=False)
class Prediction:
    """The scores of all classes, and the label that follows from them.

    Attributes:
        scores: float32 ``[classes]`` in label order; from a softmax they lie in [0, 1] and sum to about 1.
        labels: labels of the model, in the same order.
        milliseconds: time per stage (``capture``, ``resize``, ``invoke``), if measured.
        frame: the classified frame, if it came from a source.
        threshold: threshold of the model, below which the answer is "unknown"; 0 for none.
        familiarity: share of the model's validation images that are less familiar, 0 to 1; None if the model file has
            no familiarity.
        reject: familiarity below which the answer is "unknown"; 0 for none.
        features: float32 ``[size]``, the input of the network's last layer; None if it was not computed.
        label_thresholds: if an image may have several labels, for each label the score from which on it is an answer;
            else empty.
    """

    scores: npt.NDArray[np.float32]
    labels: tuple[str, ...]
    milliseconds: Mapping[str, float] = field(default_factory=dict)
    frame: Frame | None = None
    threshold: float = 0.0
    familiarity: float | None = None
    reject: float = 0.0
    features: npt.NDArray[np.float32] | None = None
    label_thresholds: tuple[float, ...] = ()

    @property
    def index(self) -> int:
        """Index of the best class; the first one if scores are equal."""
        return int(self.scores.argmax())

    @property
    def label(self) -> str:
        """Label of the best class."""
        return self.labels[self.index]

    @property
    def score(self) -> float:
        """Score of the best class."""
        return float(self.scores[self.index])

    @property
    def is_unfamiliar(self) -> bool:
        """Whether the familiarity is known and below ``reject``."""
        return self.familiarity is not None and self.familiarity < self.reject

    @property
    def reason(self) -> str | None:
        """Why the answer is "unknown"; None if there is an answer.

        "unfamiliar" if the image is unfamiliar or the best label is ``NOTHING``; else "undecided" if the best score is
        below the threshold or NaN. With several labels it is "undecided" if a score is NaN.
        """
        if self.label_thresholds:
            return UNDECIDED if math.isnan(float(self.scores.sum())) else None
        is_number = not math.isnan(self.score)
        if self.is_unfamiliar or (is_number and self.label == NOTHING):
            return UNFAMILIAR
        return None if is_number and self.score >= self.threshold else UNDECIDED

    @property
    def answer(self) -> str:
        """Label of the best class, or "unknown" if there is a ``reason``.

        With several labels: the ``answers`` as ``a|b``, or ``NOTHING``.
        """
        if self.label_thresholds and self.reason is None:
            return joined_labels(self.answers)
        return self.label if self.reason is None else UNKNOWN

    @property
    def answers(self) -> tuple[str, ...]:
        """All labels that are answers, in label order: those whose scores are at least their thresholds.

        For a model with one label per image it is the answer alone; empty if there is none.
        """
        if self.reason is not None:
            return ()
        if not self.label_thresholds:
            return (self.label,)
        pairs = zip(self.labels, self.scores, self.label_thresholds)
        return tuple(label for label, score, threshold in pairs if float(score) >= threshold)

    @property
    def ranked(self) -> list[tuple[str, float]]:
        """Return (label, score) of all classes, best first; equal scores in label order."""
        order = (-self.scores).argsort(kind="stable")
        return [(self.labels[i], float(self.scores[i])) for i in order]
