"""Count the images that a model answers with "unknown", and why, and how the others are answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.prediction import UNFAMILIAR

__all__ = ["Refusals", "count_refusals"]


@dataclass(frozen=True)
class Refusals:
    """Figures of the answers "unknown".

    Attributes:
        count: number of images of the model's classes.
        unfamiliar, undecided: number of these refused for this reason.
        right: number of the others, the accepted ones, that got the right label.
        nothing: number of images of none of the classes, for which "unknown" is the correct answer.
        nothing_refused: number of these that are refused.
    """

    count: int
    unfamiliar: int
    undecided: int
    right: int
    nothing: int
    nothing_refused: int

    @property
    def refused(self) -> int:
        """Number of images of the classes that are refused."""
        return self.unfamiliar + self.undecided

    @property
    def accepted(self) -> int:
        """Number of images of the classes that get an answer."""
        return self.count - self.refused

    @property
    def accuracy(self) -> float | None:
        """Share of the accepted images that got the right label; None if all are refused."""
        return self.right / self.accepted if self.accepted else None


def count_refusals(
    reasons: Sequence[str | None], right: npt.NDArray[np.bool_], is_nothing: npt.NDArray[np.bool_]
) -> Refusals:
    """Count the refusals.

    Args:
        reasons: for each image, why it is refused, or None; see ``Prediction.reason``.
        right: bool ``[images]``, whether the best label is right.
        is_nothing: bool ``[images]``, whether the image shows none of the classes.
    """
    refused = np.array([reason is not None for reason in reasons], bool)
    unfamiliar = np.array([reason == UNFAMILIAR for reason in reasons], bool)
    shown = ~is_nothing
    return Refusals(
        int(shown.sum()),
        int((shown & unfamiliar).sum()),
        int((shown & refused & ~unfamiliar).sum()),
        int((shown & ~refused & right).sum()),
        int(is_nothing.sum()),
        int((is_nothing & refused).sum()),
    )
