"""Observations as a film, or in a window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgeclf_runtime.errors import SinkError
from edgeclf_runtime.images import swapped
from edgeclf_runtime.opencv import is_utf8
from edgeclf_runtime.plaintext import printable
from edgeclf_runtime.sinks.picture import annotated
from edgeclf_runtime.sinks.sink import Item, Observation

__all__ = ["VideoSink", "WindowSink"]


class VideoSink:
    """An MP4 with the answer on every picture.

    Args:
        path: of the film, which is written anew.
        fps: at which it is played.

    Raises:
        SinkError: its folder does not exist.
    """

    pictures = True

    def __init__(self, path: Path, fps: float = 10.0) -> None:
        if not path.parent.is_dir():
            raise SinkError(f"{path}: its folder does not exist.")
        if not is_utf8(path.absolute()):
            raise SinkError(f"{printable(path)}: OpenCV writes films below names of UTF-8 alone; choose another.")
        self.name, self._path, self._fps = f"video {path}", path, fps
        self._writer: Any = None
        self._size = (0, 0)

    def take(self, item: Item) -> None:
        import cv2

        picture = annotated(item) if isinstance(item, Observation) else None
        if picture is None:
            return
        if self._writer is None:
            self._size = (picture.shape[1], picture.shape[0])
            writer = cv2.VideoWriter(str(self._path), cv2.VideoWriter.fourcc(*"mp4v"), self._fps, self._size)
            if not writer.isOpened():
                raise SinkError(f"{self._path}: cannot be written as a film.")
            self._writer = writer
        if (picture.shape[1], picture.shape[0]) != self._size:
            picture = np.asarray(cv2.resize(picture, self._size), np.uint8)
        self._writer.write(swapped(picture))

    def close(self) -> None:
        """End the film; without this it cannot be played."""
        if self._writer is not None:
            self._writer.release()


class WindowSink:
    """A window; needs OpenCV with one (``opencv-python``) and a screen.

    Raises:
        SinkError: there is none.
    """

    name = "window"
    pictures = True

    def __init__(self) -> None:
        import cv2

        if "GUI" not in cv2.getBuildInformation() or not _has_gui(cv2.getBuildInformation()):
            raise SinkError(
                "This OpenCV has no windows: pip uninstall opencv-python-headless; pip install opencv-python"
            )

    def take(self, item: Item) -> None:
        import cv2

        picture = annotated(item) if isinstance(item, Observation) else None
        if picture is not None:
            cv2.imshow("edgeclf", swapped(picture))
            cv2.waitKey(1)

    def close(self) -> None:
        """Close it."""
        import cv2

        cv2.destroyAllWindows()


def _has_gui(information: str) -> bool:
    line = next((line for line in information.splitlines() if line.strip().startswith("GUI:")), "")
    return "NONE" not in line.upper()
