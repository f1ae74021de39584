"""The labels of an image as one cell of a CSV: ``a``, ``a|b``, or ``_none`` for no label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.prediction import NOTHING

__all__ = ["joined_names", "split_names"]

_BETWEEN = "|"


def split_names(cell: str) -> list[str]:
    """Return the labels in a cell; an empty result for ``_none``."""
    return [] if cell == NOTHING else [name.strip() for name in cell.split(_BETWEEN)]


def joined_names(labels: Sequence[str], present: npt.NDArray[np.bool_]) -> str:
    """Return the labels that are present, bool ``[labels]``, as one cell."""
    return _BETWEEN.join(labels[int(i)] for i in np.flatnonzero(present)) or NOTHING
