"""Videos made for tests."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["write_video"]


def write_video(path: Path, fps: float, images: Iterable[npt.NDArray[np.uint8]]) -> None:
    """Write images (BGR, all of one size) as a Motion JPEG video."""
    writer = cv2.VideoWriter()
    for image in images:
        if not writer.isOpened():
            height, width = image.shape[:2]
            writer.open(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), fps, (width, height))
        writer.write(image)
    writer.release()
