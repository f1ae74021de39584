"""An opened device or connection, from which a live source reads."""

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
    """An opened device or connection, used by one thread.

    Attributes:
        description: what it reads and, for a camera, the settings that were granted.
    """

    description: str

    def read(self) -> Any:
        """Wait for the next image; raise SourceError if none comes.

        Returns:
            uint8: pixels ``[height, width, channels]`` in any format that ``rgb`` converts, or the bytes of a JPEG
            ``[1, count]``.
        """

    def rgb(self, picture: Any) -> npt.NDArray[np.uint8]:
        """Convert what ``read`` returned to uint8 RGB ``[height, width, 3]``; called only for images that are used.

        Not called for a JPEG, which the source decodes. Raises ImageError for a damaged image."""

    def close(self) -> None:
        """Close the device or connection."""


class OpenCVCapture:
    """A capture that wraps an opened ``cv2.VideoCapture``.

    Args:
        video: the ``cv2.VideoCapture``, owned by this object.
        description: for display.
        patience: seconds a read may take: after a time-out OpenCV may return the previous image again.
        drain: seconds during which images that come at once, from a backlog, are discarded.
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
                self._undecoded = False  # the driver does not do what it promised
                self._video.set(cv2.CAP_PROP_CONVERT_RGB, 1)
                continue
            if end - start > self._patience:
                raise SourceError(f"{self.description}: no new frame for {end - start:.0f} s.")
            if end > self._drain_until or end - start > 0.01:  # an image that did not come at once is new
                self._drain_until = 0.0
                return pixels

    def rgb(self, picture: Any) -> npt.NDArray[np.uint8]:
        if self._undecoded:  # bytes without the start of a JPEG
            raise ImageError(f"{self.description}: a damaged JPEG.")
        return swapped(picture)

    def close(self) -> None:
        with quiet():
            self._video.release()
