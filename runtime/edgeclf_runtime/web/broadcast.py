"""Stream the newest image and its state to all viewers."""

from __future__ import annotations

import asyncio
import json
import math
import struct
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Callable

import numpy as np
import numpy.typing as npt
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from edgeclf_runtime.errors import ImageError
from edgeclf_runtime.sinks.jpeg import jpeg

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from edgeclf_runtime.frame import Frame, FrameOnDemand

__all__ = ["VIEWERS", "Live", "Picture", "live_response"]

VIEWERS = 8
"""Maximum number of viewers at the same time."""

_PERIOD = 0.08  # seconds between two images, for any number of viewers
_TELL = 1.0  # seconds between two messages without a new image
_SIDE = 960  # maximum length of a streamed image's longer side in pixels
_QUALITY = 80
_MEDIA = "application/octet-stream"


class Picture:
    """Holds the newest image, which is encoded once, on demand.

    Attributes:
        encoded: number of images encoded so far.
    """

    def __init__(self) -> None:
        self._newest: tuple[int, npt.NDArray[np.uint8] | Frame | FrameOnDemand] | None = None
        self._jpeg: tuple[int, bytes] = (0, b"")
        self._lock, self._when = threading.Lock(), -1.0
        self._counting, self._count, self._moment = threading.Lock(), 0, -math.inf
        self.encoded = 0

    def put(self, picture: npt.NDArray[np.uint8] | Frame | FrameOnDemand, moment: float = math.inf) -> None:
        """Replace the image, without copying or encoding it.

        Args:
            picture: uint8 RGB ``[height, width, 3]``, which must not be changed afterwards; or a frame, which is
                decoded (a JPEG at full size) only when somebody watches.
            moment: time of capture; an image older than the current one, from a slower thread, is ignored.
        """
        with self._counting:
            if moment < self._moment:
                return
            self._count, self._moment = self._count + 1, moment if moment < math.inf else self._moment
            self._newest = (self._count, picture)

    def has_newer(self, number: int) -> bool:
        """Whether there is a newer image than this number, so that a call of ``jpeg`` is worthwhile."""
        return self._newest is not None and self._newest[0] > number

    def jpeg(self) -> tuple[int, bytes]:
        """Return the image's number, from 1, and its JPEG; (0, b"") before the first. Takes milliseconds."""
        with self._lock:
            newest, now = self._newest, time.monotonic()
            if newest and newest[0] != self._jpeg[0] and now - self._when >= _PERIOD:
                self._when = now
                with suppress(ImageError):  # a damaged one that was not decoded before: keep the previous image
                    self._jpeg = newest[0], jpeg(_shrunk(_whole(newest[1])), _QUALITY)
                    self.encoded += 1
            return self._jpeg


def _whole(picture: npt.NDArray[np.uint8] | Frame | FrameOnDemand) -> npt.NDArray[np.uint8]:
    if isinstance(picture, np.ndarray):
        return picture
    try:
        return picture.whole()
    except ImageError:  # damaged in a part that reduced decoding skipped
        return picture.pixels


class Live:
    """The stream to all viewers.

    Args:
        pictures: the image to stream, or one of each camera.
        greeting: returns the first message to each viewer.
        state: returns the state sent with every image, and every second without one.
        period: seconds between two checks for new images.
    """

    def __init__(
        self,
        pictures: Picture | Sequence[Picture],
        greeting: Callable[[], dict[str, Any]],
        state: Callable[[], dict[str, Any]],
        period: float = _PERIOD,
    ) -> None:
        self._pictures = [pictures] if isinstance(pictures, Picture) else pictures
        self._is_single = isinstance(pictures, Picture)
        self._greeting, self._state, self._period = greeting, state, period
        self.viewers, self.closed, self._news = 0, False, 0

    def notify(self) -> None:
        """Send the state at once, because it has changed, with or without a new image."""
        self._news += 1

    async def messages(self, *, pictures: bool = True) -> AsyncIterator[bytes]:
        """Yield the messages to one viewer: length and bytes of a JSON object, then length and bytes of a JPEG.

        Lengths are big-endian with four bytes; without a new image the second length is 0. With several cameras, an
        image's message has ``picture``, the camera's number, and only the first of several new images has the state.
        """
        yield _message(self._greeting(), b"")
        numbers, sent_at, news = [0] * len(self._pictures), 0.0, self._news
        while not self.closed:
            contents = await self._newer(numbers) if pictures else []
            if contents or news != self._news or time.monotonic() - sent_at >= _TELL:
                sent_at, news = time.monotonic(), self._news
                camera, content = contents[0] if contents else (None, b"")
                yield _message({**self._state(), **({} if self._is_single else {"picture": camera})}, content)
                for camera, content in contents[1:]:
                    yield _message({"picture": camera}, content)
            await asyncio.sleep(self._period)

    async def _newer(self, numbers: list[int]) -> list[tuple[int, bytes]]:
        """Return the cameras with images newer than these numbers, which are updated, and their JPEGs."""
        contents = []
        for camera, picture in enumerate(self._pictures):
            if picture.has_newer(numbers[camera]):
                newest, encoded = await asyncio.to_thread(picture.jpeg)
                if newest > numbers[camera]:
                    numbers[camera] = newest
                    contents.append((camera, encoded))
        return contents


class _LiveResponse(StreamingResponse):
    """A streaming response that frees the viewer's slot however it ends."""

    def __init__(self, live: Live, pictures: bool) -> None:
        super().__init__(live.messages(pictures=pictures), media_type=_MEDIA)
        self._live = live

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._live.viewers -= 1


def live_response(live: Live, request: Request) -> Response:
    """Return the stream, or with ``?pictures=none`` the stream of states only.

    Raises:
        HTTPException: 503, too many viewers.
    """
    if request.method == "HEAD":
        return Response(media_type=_MEDIA)
    if live.viewers >= VIEWERS:
        raise HTTPException(503, f"{VIEWERS} pages are already watching; close one of them.")
    live.viewers += 1
    return _LiveResponse(live, request.query_params.get("pictures") != "none")


def _message(fields: dict[str, Any], content: bytes) -> bytes:
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8", "replace")
    return struct.pack(">I", len(text)) + text + struct.pack(">I", len(content)) + content


def _shrunk(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    import cv2

    height, width = pixels.shape[:2]
    scale = _SIDE / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # INTER_AREA is much slower with a fractional factor, and gains nothing with a small one.
    interpolation = cv2.INTER_LINEAR if scale > 0.5 else cv2.INTER_AREA
    return np.asarray(cv2.resize(pixels, size, interpolation=interpolation), np.uint8)
