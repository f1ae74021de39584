"""A video file as a source: every frame in order, as fast as possible or at its own speed."""

from __future__ import annotations

import functools
import logging
import math
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

from edgeclf_runtime.errors import ImageError, SourceError
from edgeclf_runtime.frame import Frame
from edgeclf_runtime.pictures.images import swapped
from edgeclf_runtime.pictures.opencv import quiet, readable_name
from edgeclf_runtime.sources.request import Request
from edgeclf_runtime.sources.source import SourceOptions
from edgeclf_runtime.sources.turning import turned
from edgeclf_runtime.sources.undecoded import JpegDecoder, UndecodedJpeg, ask_undecoded
from edgeclf_runtime.system.plain_text import printable

__all__ = ["VideoSource", "open_request"]

_log = logging.getLogger(__name__)

_FPS = 25.0  # frame rate of a file that does not state it
_MOST_FPS = 480.0  # a browser's recording states 1000, the resolution of its clock


def open_request(request: Request) -> VideoSource:
    """Open a video file.

    Raises:
        SourceError: this kind of file cannot be read.
    """
    from edgeclf_runtime.pictures.foreign import foreign_reason

    if reason := foreign_reason(request.text, ffmpeg=True):
        raise SourceError(f"{printable(request.path)}: {reason}")
    return VideoSource(request.path, request.options)


class VideoSource:
    """Read the frames of a video file, turned upright if the file states its rotation.

    Args:
        path: of a file that OpenCV's FFmpeg can read.
        options: ``realtime`` plays at the video's own speed and skips frames that are late; ``min_decoded_size``, for
            a video of JPEGs, ``rotate`` and ``flip`` apply, too.

    Raises:
        SourceError: not a video; while iterating: it has no frame, or none that can be decoded.
    """

    live, is_camera, skips = False, True, True

    def __init__(self, path: Path, options: SourceOptions | None = None) -> None:
        import cv2

        self._options = options = options or SourceOptions()

        self.description = printable(path)
        self._closing, self._reading = threading.Event(), threading.Lock()
        self._counting, self._failed, self._whole = threading.Lock(), 0, -1  # frames; -1 until its end is known
        try:
            with quiet(), readable_name(path) as name:
                self._capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG)
                codec = _codec(name if not self._capture.isOpened() else None, self._capture)
        except OSError as error:
            raise SourceError(f"{self.description}: {error.strerror or error}.") from None
        self._codec = f" Its codec is {codec}; convert it: ffmpeg -i VIDEO -c:v mjpeg -q:v 2 video.avi" if codec else ""
        if not self._capture.isOpened() and codec:
            raise SourceError(f"{self.description}: OpenCV {cv2.__version__} cannot decode this video.{self._codec}")
        if not self._capture.isOpened():
            raise SourceError(f"{self.description}: not a video that OpenCV {cv2.__version__} can read.")
        self._undecoded = ask_undecoded(self._capture)
        self._decoder = JpegDecoder(self.description, options.min_size)
        self._realtime = options.realtime
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self._step = 1 / (fps if 0 < fps <= _MOST_FPS else _FPS)

    def __iter__(self) -> Iterator[Frame]:
        return (frame for decode in self.undecoded() if (frame := decode()) is not None)

    def undecoded(self) -> Iterator[Callable[[], Frame | None]]:
        """See ``Undecoded``."""
        return (decode for _, decode in self.offered())

    def offered(self) -> Iterator[tuple[float, Callable[[], Frame | None]]]:
        """See ``Offering``."""
        number, given, begin = 0, 0, 0.0
        before = moment = 0.0
        while True:
            with self._reading:
                if self._closing.is_set() or not self._capture.grab():
                    break
                before, moment = moment, self._moment(moment, number)
                begin = begin if number else time.monotonic() - moment
                late = time.monotonic() - begin - moment if self._realtime else 0.0
                number += 1
                if number > 1 and late > moment - before:  # too late: skip it without decoding
                    continue
                picture: Any = self._capture.retrieve()[1]
            if picture is None:
                break
            given += 1
            self._closing.wait(max(0.0, -late))
            if self._undecoded:  # also if it is too damaged to look like a JPEG
                picture = self._decoder.completed(picture)
            decode = functools.partial(self._frame, picture, time.monotonic(), number - 1, moment)
            is_seen_as_sent = self._undecoded and not self._options.turns
            yield moment, UndecodedJpeg(decode, picture) if is_seen_as_sent else decode
        if number == 0 and not self._closing.is_set():
            raise SourceError(f"{self.description}: a video without a frame that can be read.{self._codec}")
        with self._counting:
            self._whole = given
            hopeless = self._failed == given > 0
        if hopeless and not self._closing.is_set():
            raise self._hopeless()

    def _hopeless(self) -> SourceError:
        return SourceError(f"{self.description}: none of its {self._whole} images can be decoded.")

    def _moment(self, before: float, number: int) -> float:
        """Return the time of the current frame in seconds; if the video does not state it, one step after the last."""
        import cv2

        own = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if math.isfinite(own) and (own > before or number == 0):
            return float(own)
        return before + self._step

    def _frame(self, picture: Any, read: float, number: int, film_time: float) -> Frame | None:
        jpeg, rule = (picture, self._decoder.rule) if isinstance(picture, bytes) else (None, (0, 0))
        try:
            rgb = swapped(picture) if jpeg is None else self._decoder.decoded(jpeg, rule)
        except ImageError as error:
            with self._counting:
                self._failed += 1
                hopeless = self._failed == self._whole  # the last frame, in whichever thread
            if hopeless:
                raise self._hopeless() from None
            _log.warning("Skipped: %s", error)
            return None
        frame = Frame(rgb, read, number, self.description, jpeg, film_time, min_size=rule)
        return turned(frame, self._options)

    def decode_for(self, min_size: tuple[int, int]) -> None:
        """See ``Source``."""
        self._decoder.rule = (0, 0) if self._options.turns else min_size

    def close(self) -> None:
        """Close the file as soon as no frame is being read from it."""
        self._closing.set()
        with self._reading:
            self._capture.release()

    def __enter__(self) -> VideoSource:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _codec(unopened: str | None, capture: Any) -> str:
    """Return the four letters of a video's codec, even if it cannot be decoded; empty if unknown."""
    import cv2

    if unopened is not None:
        capture = cv2.VideoCapture(unopened, cv2.CAP_FFMPEG, [cv2.CAP_PROP_FORMAT, -1])
    code = int(capture.get(cv2.CAP_PROP_FOURCC)) if capture.isOpened() else 0
    text = (code & 0xFFFFFFFF).to_bytes(4, "little").decode("latin-1")
    return text.strip() if code and text.isascii() and text.isprintable() else ""
