"""Which of a training's networks is kept, and when to stop."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Selection"]

Losses = npt.NDArray[np.float64]


class Selection:
    """The latest network that is not clearly worse than the best so far.

    Of a few hundred validation pictures the mean log loss differs from one epoch to the next by chance, by more than
    the last epochs differ; but with a rate that falls to zero, or weights that are averaged, these are the better ones.
    So a later network is taken unless it is worse by more than one standard error of their paired difference (the
    one-standard-error rule: Breiman et al., Classification and Regression Trees, 1984).

    Attributes:
        waited: fine-tuned networks since one was not clearly worse than all fine-tuned before it. The head's network
            does not count: the first epochs, of the highest rates, fall behind it before the last ones overtake it.
    """

    def __init__(self) -> None:
        self._best: Losses = np.zeros(0)
        self._tuned: Losses = np.zeros(0)
        self.waited = 0

    def takes(self, losses: Losses, tuned: bool) -> bool:
        """Whether the next network is taken in place of the one before.

        Args:
            losses: each validation picture's, ``[pictures]``, the same pictures every time.
            tuned: whether it has been fine-tuned.
        """
        taken = _as_good(losses, self._best)
        self._best = _better(losses, self._best)
        if tuned:
            self.waited = 0 if _as_good(losses, self._tuned) else self.waited + 1
            self._tuned = _better(losses, self._tuned)
        return taken

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """What ``restore`` takes."""
        values = {"best": self._best, "tuned": self._tuned, "waited": np.array(self.waited)}
        return {f"selection/{name}": value for name, value in values.items()}

    @staticmethod
    def knows(state: Mapping[str, npt.NDArray[Any]]) -> bool:
        """Whether ``restore`` can take it."""
        return set(Selection().state()) <= set(state)

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Put back what ``state`` gave."""
        self._best, self._tuned = state["selection/best"], state["selection/tuned"]
        self.waited = int(state["selection/waited"])


def _as_good(losses: Losses, best: Losses) -> bool:
    if not len(best):
        return True
    apart = losses - best
    return bool(apart.mean() <= apart.std() / math.sqrt(len(apart)))


def _better(losses: Losses, best: Losses) -> Losses:
    return losses if not len(best) or losses.mean() < best.mean() else best
