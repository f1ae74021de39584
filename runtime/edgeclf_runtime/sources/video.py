"""A video file as a source: every frame, in order, as fast as it is asked for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgeclf_runtime.errors import SourceError
from edgeclf_runtime.frame import Frame
from edgeclf_runtime.opencv import quiet

__all__ = ["VideoSource"]


class VideoSource:
    """Frames of a file, upright where it says how it was held.

    Args:
        path: of a file OpenCV's FFmpeg reads.

    Raises:
        SourceError: it is no video, or has no frame.
    """

    live = False

    def __init__(self, path: Path) -> None:
        import cv2

        self.description = str(path)
        with quiet():
            # An absolute path cannot be taken for an address or a pattern of numbered pictures.
            self._capture = cv2.VideoCapture(str(path.resolve()), cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            raise SourceError(f"{path}: not a video that OpenCV {cv2.__version__} can read.")

    def __iter__(self) -> Iterator[Frame]:
        number = 0
        while True:
            good, pixels = self._capture.read()
            if not good:
                break
            yield Frame(np.ascontiguousarray(pixels[:, :, ::-1]), time.monotonic(), number, self.description)
            number += 1
        if number == 0:
            raise SourceError(f"{self.description}: a video without a frame that can be read.")

    def close(self) -> None:
        """Close the file."""
        self._capture.release()

    def __enter__(self) -> VideoSource:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
