"""Films made for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["write_film"]

Pictures = Sequence[npt.NDArray[np.uint8]] | npt.NDArray[np.uint8]


def write_film(path: Path, fps: float, count: int, pictures: Pictures) -> None:
    """Motion JPEG of so many frames: the pictures, BGR and of one size, again and again."""
    height, width = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (width, height))
    for number in range(count):
        writer.write(pictures[number % len(pictures)])
    writer.release()
