"""What a classifier says of one frame."""

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
"""The answer where no label is sure enough."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """Scores of all classes, and what follows from them.

    Attributes:
        scores: float32 ``[classes]`` in label order; of a softmax output they lie in [0, 1] and sum to about 1.
        labels: the model's, in the same order.
        milliseconds: time spent by stage (``capture``, ``resize``, ``invoke``), where measured.
        frame: what was classified, when it came from a source.
        threshold: the model's own, below which a best score is no answer; 0 for none.
    """

    scores: npt.NDArray[np.float32]
    labels: tuple[str, ...]
    milliseconds: Mapping[str, float] = field(default_factory=dict)
    frame: Frame | None = None
    threshold: float = 0.0

    @property
    def index(self) -> int:
        """Of the best class; of equal scores the first."""
        return int(self.scores.argmax())

    @property
    def label(self) -> str:
        """The best class's label."""
        return self.labels[self.index]

    @property
    def score(self) -> float:
        """The best class's score."""
        return float(self.scores[self.index])

    @property
    def answer(self) -> str:
        """The best class's label, or "unknown" where its score is below the threshold or no number."""
        return self.label if self.score >= self.threshold else UNKNOWN

    @property
    def ranked(self) -> list[tuple[str, float]]:
        """(label, score) of all classes, best first; equal scores in label order."""
        order = (-self.scores).argsort(kind="stable")
        return [(self.labels[i], float(self.scores[i])) for i in order]
