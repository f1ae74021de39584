"""Thumbnails of the images that were written last, the same on every page."""

from __future__ import annotations

import threading
from collections import deque
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.sinks.jpeg import jpeg

__all__ = ["RecentPictures"]

_KEPT = 12
_HEIGHT = 144  # pixels


class RecentPictures:
    """The newest dozen images; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock, self._number = threading.Lock(), 0
        self._newest = deque[tuple[int, str, Path, bytes]](maxlen=_KEPT)

    def add(self, name: str, path: Path, pixels: npt.NDArray[np.uint8]) -> None:
        """Add an image.

        Args:
            name: name of its class.
            path: path of its file.
            pixels: uint8 RGB ``[height, width, 3]``.
        """
        import cv2

        height, width = pixels.shape[:2]
        size = (max(1, min(4 * _HEIGHT, round(width * _HEIGHT / height))), _HEIGHT)
        content = jpeg(np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8), 80)
        with self._lock:
            self._number += 1
            self._newest.appendleft((self._number, name, path, content))

    def prune(self) -> None:
        """Remove images whose files are gone, for example after ``Album.take_back``."""
        with self._lock:
            here = [one for one in self._newest if one[2].exists()]
            if len(here) < len(self._newest):
                self._newest = deque(here, _KEPT)

    def listed(self) -> list[tuple[int, str]]:
        """Return number and class of each image, newest first."""
        with self._lock:
            return [(number, name) for number, name, _, _ in self._newest]

    def read(self, number: int) -> bytes:
        """Return the thumbnail as JPEG; empty if it is gone."""
        with self._lock:
            return next((content for own_number, _, _, content in self._newest if own_number == number), b"")
