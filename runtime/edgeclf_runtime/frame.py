"""A picture on its way from a source to a classifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["Frame"]


@dataclass(frozen=True)
class Frame:
    """One picture.

    Attributes:
        pixels: uint8 RGB, ``[height, width, 3]``.
        time: when it was captured, in seconds of ``time.monotonic()``.
        number: its place in the source's sequence, from 0; frames a live source dropped leave gaps.
        source: what gave it: a device, a path, an address without its password.
    """

    pixels: npt.NDArray[np.uint8]
    time: float
    number: int
    source: str
