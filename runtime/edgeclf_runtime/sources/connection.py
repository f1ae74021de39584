"""What a live source reads from: an opened device or connection."""

from __future__ import annotations

import time
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.errors import ImageError, SourceError
from edgeclf_runtime.pictures.images import swapped
from edgeclf_runtime.pictures.opencv import quiet
from edgeclf_runtime.sources.undecoded import ask_undecoded

__all__ = ["Capture", "OpenCVCapture"]


class Capture(Protocol):
    """Used by one thread.

    Attributes:
        description: what it reads and, of a camera, what was granted.
    """

    description: str

    def read(self) -> Any:
        """Wait for the next image; raises SourceError when there is none.

        Pixels ``[height, width, channels]`` in whatever form they come, or a JPEG's bytes ``[1, count]``; uint8.
        """

    def rgb(self, picture: Any) -> npt.NDArray[np.uint8]:
        """What ``read`` gave, as uint8 RGB ``[height, width, 3]``; called for the images that are used alone.

        Not for a JPEG, which the source decodes. Raises ImageError for a damaged one."""

    def close(self) -> None:
        """Let go."""


class OpenCVCapture:
    """Around an opened ``cv2.VideoCapture``.

    Args:
        video: it, owned from now on.
        description: for people.
        patience: seconds a read may take: OpenCV can answer one that timed out with the image before.
        drain: seconds within which images that come at once, from a backlog, are thrown away.
    """

    def __init__(self, video: Any, description: str, patience: float, drain: float = 0.0) -> None:
        self.description = description
        self._undecoded = ask_undecoded(video)
        self._video, self._patience, self._given = video, patience, False
        self._drain_until = time.monotonic() + drain

    def read(self) -> Any:
        import cv2

        while True:
            start = time.monotonic()
            with quiet():
                good, pixels = self._video.read()
            end = time.monotonic()
            if not good or pixels is None:
                what = "lost" if self._given else "opened, but gives no frames"
                raise SourceError(
                    f"{self.description}: {what}. Check its cable, network or whether another program uses it."
                )
            self._given = True
            if self._undecoded and pixels.ndim != 2:
                self._undecoded = False  # a driver that does not do as it says
                self._video.set(cv2.CAP_PROP_CONVERT_RGB, 1)
                continue
            if end - start > self._patience:
                raise SourceError(f"{self.description}: no new frame for {end - start:.0f} s.")
            if end > self._drain_until or end - start > 0.01:  # an image that had to be waited for is a new one
                self._drain_until = 0.0
                return pixels

    def rgb(self, picture: Any) -> npt.NDArray[np.uint8]:
        if self._undecoded:  # bytes that do not begin as a JPEG
            raise ImageError(f"{self.description}: a damaged JPEG.")
        return swapped(picture)

    def close(self) -> None:
        with quiet():
            self._video.release()
