"""Validation figures of a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeclf.metrics.calibration import fit_temperature
from edgeclf.metrics.label_sets import fit_set_temperature, score_sets, set_losses, sigmoid
from edgeclf.metrics.scoring import log_losses, score, softmax

__all__ = ["ACCURACY", "MEAN_AVERAGE_PRECISION", "Judged", "judge"]

ACCURACY, MEAN_AVERAGE_PRECISION = "accuracy", "mean_average_precision"
_SHORT = {ACCURACY: "", MEAN_AVERAGE_PRECISION: "mAP "}


@dataclass(frozen=True, eq=False)
class Judged:
    """Validation figures of a network whose logits are divided by ``temperature``.

    Attributes:
        measure: name of the main figure: ``ACCURACY`` or ``MEAN_AVERAGE_PRECISION``.
        value: that figure, in [0, 1].
        log_loss: mean log loss, in nats.
        temperature: the temperature.
        losses: log loss of each image, in nats.
    """

    measure: str
    value: float
    log_loss: float
    temperature: float
    losses: npt.NDArray[np.float64]

    @property
    def shown(self) -> str:
        """The main figure, for a message."""
        return f"validation {_SHORT[self.measure]}{self.value:.1%}"

    @property
    def figures(self) -> str:
        """The main figure and log loss, for a message."""
        return f"{self.shown}, log loss {self.log_loss:.3f}"


def judge(
    logits: npt.NDArray[np.float32], wanted: npt.NDArray[np.int64] | npt.NDArray[np.bool_], labels: Sequence[str]
) -> Judged:
    """Return the figures of logits ``[images, classes]``, divided by the temperature with the lowest loss.

    Args:
        logits: the network's outputs.
        wanted: as ``Dataset.wanted``.
        labels: the labels.
    """
    return (_judge_classes if wanted.ndim == 1 else _judge_sets)(logits, wanted, labels)


def _judge_classes(logits: npt.NDArray[np.float32], targets: npt.NDArray[Any], labels: Sequence[str]) -> Judged:
    temperature = fit_temperature(logits, targets)
    scores = softmax(logits / np.float32(temperature))
    figures = score(scores, targets, labels)
    return Judged(ACCURACY, figures.accuracy, figures.log_loss, temperature, log_losses(scores, targets))


def _judge_sets(logits: npt.NDArray[np.float32], presence: npt.NDArray[Any], labels: Sequence[str]) -> Judged:
    temperature = fit_set_temperature(logits, presence)
    scores = sigmoid(logits / np.float32(temperature))
    figures = score_sets(scores, presence, labels, [0.5] * len(labels))
    losses = set_losses(scores, presence)
    return Judged(MEAN_AVERAGE_PRECISION, figures.mean_average_precision, figures.log_loss, temperature, losses)
