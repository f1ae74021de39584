"""A video file as a source: every frame, in order, as fast as it is asked for or at its own speed."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

from edgeclf_runtime.errors import ImageError, SourceError
from edgeclf_runtime.frame import Frame
from edgeclf_runtime.images import swapped
from edgeclf_runtime.opencv import quiet
from edgeclf_runtime.sources.undecoded import JpegDecoder, ask_undecoded

__all__ = ["VideoSource"]

_log = logging.getLogger(__name__)

_FPS = 25.0  # of a file that does not say


class VideoSource:
    """Frames of a file, upright where it says how it was held.

    Args:
        path: of a file OpenCV's FFmpeg reads.
        realtime: give each frame no sooner than the film would, and leave out those whose time has passed.
        least: of a film of JPEGs, see ``SourceOptions``.

    Raises:
        SourceError: it is no video; while iterating, it has no frame, or none that can be decoded.
    """

    live = False

    def __init__(self, path: Path, realtime: bool = False, least: int = 0) -> None:
        import cv2

        self.description = str(path)
        self._closing, self._reading = threading.Event(), threading.Lock()
        self._counting, self._failed, self._whole = threading.Lock(), 0, -1  # frames; -1 until its end is known
        with quiet():
            # An absolute path cannot be taken for an address or a pattern of numbered pictures.
            self._capture = cv2.VideoCapture(str(path.resolve()), cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            raise SourceError(f"{path}: not a video that OpenCV {cv2.__version__} can read.")
        self._undecoded = ask_undecoded(self._capture)
        self._decoder = JpegDecoder(self.description, least)
        self._step = 1 / (self._capture.get(cv2.CAP_PROP_FPS) or _FPS) if realtime else 0.0

    def __iter__(self) -> Iterator[Frame]:
        return (frame for decode in self.undecoded() if (frame := decode()) is not None)

    def undecoded(self) -> Iterator[Callable[[], Frame | None]]:
        """See ``Undecoded``."""
        number, given, start = 0, 0, time.monotonic()
        while True:
            late = time.monotonic() - start - number * self._step if self._step else 0.0
            passed = late > self._step > 0 and number > 0  # its time has: not even decoded
            with self._reading:
                picture = None if self._closing.is_set() else self._next(passed)
            if picture is None:
                break
            number += 1
            if passed:
                continue
            given += 1
            self._closing.wait(max(0.0, -late))
            if self._undecoded:  # also what is damaged so that it does not begin as one
                picture = self._decoder.completed(picture)
            yield functools.partial(self._frame, picture, time.monotonic(), number - 1)
        if number == 0 and not self._closing.is_set():
            raise SourceError(f"{self.description}: a video without a frame that can be read.")
        with self._counting:
            self._whole = given
            hopeless = self._failed == given > 0
        if hopeless and not self._closing.is_set():
            raise self._hopeless()

    def _hopeless(self) -> SourceError:
        return SourceError(f"{self.description}: none of its {self._whole} pictures can be decoded.")

    def _next(self, passed: bool) -> Any:
        """The next picture, or True for one that is left out; None at the end."""
        if passed:
            return self._capture.grab() or None
        return self._capture.read()[1]

    def _frame(self, picture: Any, moment: float, number: int) -> Frame | None:
        jpeg = picture if isinstance(picture, bytes) else None
        try:
            rgb = swapped(picture) if jpeg is None else self._decoder.decoded(jpeg)
        except ImageError as error:
            with self._counting:
                self._failed += 1
                hopeless = self._failed == self._whole  # the last one, in whichever thread
            if hopeless:
                raise self._hopeless() from None
            _log.warning("Skipped: %s", error)
            return None
        return Frame(rgb, moment, number, self.description, jpeg)

    def close(self) -> None:
        """Close the file, as soon as no frame is being read from it."""
        self._closing.set()
        with self._reading:
            self._capture.release()

    def __enter__(self) -> VideoSource:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
