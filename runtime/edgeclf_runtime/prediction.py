"""Prediction: the result of classifying one image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from edgeclf_runtime.frame import Frame

__all__ = ["UNKNOWN", "Prediction"]

UNKNOWN = "unknown"
"""The answer if no score reaches the threshold."""


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
    """

    scores: npt.NDArray[np.float32]
    labels: tuple[str, ...]
    milliseconds: Mapping[str, float] = field(default_factory=dict)
    frame: Frame | None = None
    threshold: float = 0.0
    familiarity: float | None = None
    reject: float = 0.0
    features: npt.NDArray[np.float32] | None = None

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
    def answer(self) -> str:
        """Label of the best class, or "unknown" if its score is below the threshold or NaN."""
        return self.label if self.score >= self.threshold else UNKNOWN

    @property
    def ranked(self) -> list[tuple[str, float]]:
        """Return (label, score) of all classes, best first; equal scores in label order."""
        order = (-self.scores).argsort(kind="stable")
        return [(self.labels[i], float(self.scores[i])) for i in order]
