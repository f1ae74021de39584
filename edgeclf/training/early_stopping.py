"""Choose which epoch's network to keep, and when to stop early."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Selection"]

Losses = npt.NDArray[np.float64]


class Selection:
    """Keep the latest network that is not clearly worse than the best so far.

    With a few hundred validation images, chance changes the mean log loss between epochs by more than the last epochs
    differ. But with a learning rate that falls to zero, or averaged weights, later epochs are better. So a later
    network is kept unless it is worse by more than one standard error of the paired difference (the one-standard-error
    rule: Breiman et al., Classification and Regression Trees, 1984).

    Attributes:
        waited: number of fine-tuned networks in a row that were clearly worse than the best fine-tuned one. The network
            with only a fitted head does not count: early epochs, at high learning rates, are worse than it at first.
    """

    def __init__(self) -> None:
        self._best: Losses = np.zeros(0)
        self._tuned: Losses = np.zeros(0)
        self.waited = 0

    def takes(self, losses: Losses, tuned: bool) -> bool:
        """Return whether the next network replaces the current one.

        Args:
            losses: log loss of each validation image in nats, ``[images]``; the same images every time.
            tuned: whether the network has been fine-tuned.
        """
        taken = _as_good(losses, self._best)
        self._best = _better(losses, self._best)
        if tuned:
            self.waited = 0 if _as_good(losses, self._tuned) else self.waited + 1
            self._tuned = _better(losses, self._tuned)
        return taken

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Return the state, for ``restore``."""
        values = {"best": self._best, "tuned": self._tuned, "waited": np.array(self.waited)}
        return {f"selection/{name}": value for name, value in values.items()}

    @staticmethod
    def knows(state: Mapping[str, npt.NDArray[Any]]) -> bool:
        """Return whether ``restore`` can use this state."""
        return set(Selection().state()) <= set(state)

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Restore a state from ``state``."""
        self._best, self._tuned = state["selection/best"], state["selection/tuned"]
        self.waited = int(state["selection/waited"])


def _as_good(losses: Losses, best: Losses) -> bool:
    if not len(best):
        return True
    apart = losses - best
    return bool(apart.mean() <= apart.std() / math.sqrt(len(apart)))


def _better(losses: Losses, best: Losses) -> Losses:
    return losses if not len(best) or losses.mean() < best.mean() else best
