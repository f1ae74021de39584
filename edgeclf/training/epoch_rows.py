"""Which images each epoch trains on: all, or, in a training that begins from a run, only some of the run's own.

The network already knows the images that the run before was trained on; repeating some of them in each epoch keeps it
from forgetting them (rehearsal: Robins, Connection Science 1995). The new images are in every epoch, so the same time
shows them more often.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["EpochRows"]

Indices = npt.NDArray[np.int64]


class EpochRows:
    """The rows of each epoch, in random order; a function of seed and epoch.

    Args:
        rows: of all images to train on.
        seed: random seed.
        known: of those, the ones that the run before was trained on.
        share: share of ``known`` in each epoch, above 0; all of them take their turns.

    Attributes:
        count: number of rows in an epoch.
    """

    def __init__(self, rows: Indices, seed: int, known: Indices | None = None, share: float = 1.0) -> None:
        self._seed, self._new, self._known, self._taken = seed, rows, np.empty(0, np.int64), 0
        if known is not None and len(known) and share < 1:
            self._new = np.setdiff1d(rows, known)
            self._known = np.random.default_rng([seed, 4]).permutation(known)
            self._taken = max(1, round(share * len(known)))
        self.count = len(self._new) + self._taken

    def of(self, epoch: int) -> Indices:
        """Return the rows of an epoch, counted from 0: int64 ``[count]``."""
        turn = (epoch * self._taken + np.arange(self._taken)) % max(1, len(self._known))  # nothing is taken of none
        rows = np.concatenate([self._new, self._known[turn]])
        return np.random.default_rng([self._seed, 1, epoch]).permutation(rows)
