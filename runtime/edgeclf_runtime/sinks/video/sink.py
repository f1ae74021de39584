"""Write observations to video files, or show them in a window."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from statistics import median

import numpy as np

from edgeclf_runtime.errors import SinkError
from edgeclf_runtime.pictures.images import swapped
from edgeclf_runtime.sinks.jpeg import annotated, jpeg
from edgeclf_runtime.sinks.sink import Item, Observation
from edgeclf_runtime.sinks.video.matroska_video import MatroskaVideo
from edgeclf_runtime.sinks.video.segments import Segments

__all__ = ["VideoSink", "WindowSink"]

_QUALITY = 80  # JPEG quality
_STEP = 100  # duration of a single image in ms
_PARTS = 4  # minimum number of segments: making room for a new one deletes at most this part of the videos
_AROUND = 200  # maximum overhead per image in bytes, in the video and its index


class VideoSink:
    """Writes videos with the answer on every image, which play in real time; see ``segments`` and ``matroska``.

    Each image is shown until the next one. Nothing is overwritten, and the videos can be played even if the process is
    killed.

    Args:
        path: a folder, or the name of a video from which the names of the segments are made.
        segment: length of a segment in seconds; shorter if it reaches a quarter of ``limit``.
        limit: bytes of all segments together; the oldest are deleted.

    Attributes:
        pattern: pattern of the file names, for display.

    Raises:
        OSError: the folder cannot be created.
    """

    pictures = True

    def __init__(self, path: Path, segment: float = 60.0, limit: int = 1_000_000_000) -> None:
        self._segments = Segments(path, limit)
        self.pattern = self._segments.pattern
        self.name = f"video {self.pattern}"
        self._segment, self._limit = 1000 * segment, limit
        self._video: MatroskaVideo | None = None
        self._began = 0.0  # time of the first image in s; other times are in ms from it
        self._last, self._steps = 0, deque[float]([_STEP], maxlen=9)

    def take(self, item: Item) -> None:
        import cv2

        picture = annotated(item) if isinstance(item, Observation) else None
        if not isinstance(item, Observation) or item.prediction.frame is None or picture is None:
            return
        moment = item.prediction.frame.moment
        self._end_if_full(moment)
        if self._video is not None and picture.shape[1::-1] != (self._video.width, self._video.height):
            picture = np.asarray(cv2.resize(picture, (self._video.width, self._video.height)), np.uint8)
        content = jpeg(picture, _QUALITY)
        if self._video is None:
            self._begin(picture.shape[1], picture.shape[0], item.time, moment)
        self._add(content, moment)

    def _end_if_full(self, moment: float) -> None:
        """Finish the current segment if this moment is no longer part of it."""
        if self._video is None:
            return
        now = 1000 * (moment - self._began)
        back = now < self._last - _STEP  # for example, another video as the source
        if now >= self._segment or back or self._video.size >= self._limit / _PARTS:
            usual = self._last + median(self._steps)
            self._end(usual if now <= self._last else min(now, max(usual, self._segment)))

    def _begin(self, width: int, height: int, begins: float, moment: float) -> None:
        self._video = self._segments.begin(width, height, begins)
        self._began, self._last = moment, -1

    def _add(self, content: bytes, moment: float) -> None:
        assert self._video is not None
        if not self._segments.make_room(self._video.size + len(content) + _AROUND):
            raise SinkError(f"An image of {len(content)} bytes exceeds video_bytes; raise it.")
        time = max(self._last + 1, round(1000 * (moment - self._began)))
        if self._last >= 0:
            self._steps.append(time - self._last)
        self._video.add(content, time, time + median(self._steps))
        self._last = time

    def _end(self, duration: float) -> None:
        video, self._video = self._video, None
        if video is not None:
            video.close(duration)

    def close(self) -> None:
        """Finish the current segment; its last image lasts as long as the others."""
        self._end(self._last + median(self._steps))


class WindowSink:
    """Shows the frames in a window; needs ``opencv-python`` (not headless) and a display.

    Raises:
        SinkError: OpenCV has no windows, or there is no display.
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
        """Close the window."""
        import cv2

        cv2.destroyAllWindows()


def _has_gui(information: str) -> bool:
    line = next((line for line in information.splitlines() if line.strip().startswith("GUI:")), "")
    return "NONE" not in line.upper()
