"""A network judged on validation images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeclf.metrics.calibration import fit_temperature
from edgeclf.metrics.scoring import Score, log_losses, score, softmax

__all__ = ["Judged", "judge"]


@dataclass(frozen=True, eq=False)
class Judged:
    """Validation figures of a network whose logits are divided by ``temperature``; ``losses`` has one per image."""

    score: Score
    temperature: float
    losses: npt.NDArray[np.float64]

    @property
    def figures(self) -> str:
        """Accuracy and log loss, for a message."""
        return f"validation {self.score.accuracy:.1%}, log loss {self.score.log_loss:.3f}"


def judge(logits: npt.NDArray[np.float32], targets: npt.NDArray[np.int64], labels: Sequence[str]) -> Judged:
    """Return figures of logits ``[images, classes]`` that are divided by the temperature with the lowest loss."""
    temperature = fit_temperature(logits, targets)
    scores = softmax(logits / np.float32(temperature))
    return Judged(score(scores, targets, labels), temperature, log_losses(scores, targets))
