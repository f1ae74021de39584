"""The run folder for workers that do not write to it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edgeclf.data.dataset import Dataset, Skipped
from edgeclf.runs.run import Arrays, Run

__all__ = ["Follower"]


class Follower(Run):
    """Read-only run for non-chief workers: writing does nothing."""

    def abandon(self) -> None:
        """Do nothing."""

    def write_json(self, name: str, content: object) -> None:
        """Do nothing."""

    def write_split(
        self, data: Dataset, skipped: Sequence[Skipped], digests: npt.NDArray[np.uint64] | None = None
    ) -> None:
        """Do nothing."""

    def write_arrays(self, name: str, arrays: Arrays) -> None:
        """Do nothing."""

    def remove_arrays(self, name: str) -> None:
        """Do nothing."""
