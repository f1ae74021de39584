"""The newest image and what belongs to it, streamed to whoever looks."""

from __future__ import annotations

import asyncio
import json
import math
import struct
import threading
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Callable

import numpy as np
import numpy.typing as npt
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from edgeclf_runtime.sinks.jpeg import jpeg

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

__all__ = ["VIEWERS", "Live", "Picture", "live_response"]

VIEWERS = 8
"""Those who may look at the same time."""

_PERIOD = 0.08  # seconds between two images, however many look
_TELL = 1.0  # seconds between two messages where there is no new image
_SIDE = 960  # pixels of a streamed image's longer side, at most
_QUALITY = 80
_MEDIA = "application/octet-stream"


class Picture:
    """One slot: a new image replaces the one before, and is encoded when somebody wants it, once.

    Attributes:
        encoded: images, so far.
    """

    def __init__(self) -> None:
        self._newest: tuple[int, npt.NDArray[np.uint8]] | None = None
        self._jpeg: tuple[int, bytes] = (0, b"")
        self._lock, self._when = threading.Lock(), -1.0
        self._counting, self._count, self._moment = threading.Lock(), 0, -math.inf
        self.encoded = 0

    def put(self, pixels: npt.NDArray[np.uint8], moment: float = math.inf) -> None:
        """Replace it; costs nothing.

        Args:
            pixels: uint8 RGB ``[height, width, 3]``, which nobody changes from now on.
            moment: of its capture; one that comes later than a newer one, from a thread that was slower, is left out.
        """
        with self._counting:
            if moment < self._moment:
                return
            self._count, self._moment = self._count + 1, moment if moment < math.inf else self._moment
            self._newest = (self._count, pixels)

    def has_newer(self, number: int) -> bool:
        """Than the one of this number, so that it is worth a call of ``jpeg``."""
        return self._newest is not None and self._newest[0] > number

    def jpeg(self) -> tuple[int, bytes]:
        """Its number from 1, and the content of a JPEG file; (0, b"") before there is any. Takes milliseconds."""
        with self._lock:
            newest, now = self._newest, time.monotonic()
            if newest and newest[0] != self._jpeg[0] and now - self._when >= _PERIOD:
                self._jpeg, self._when = (newest[0], jpeg(_shrunk(newest[1]), _QUALITY)), now
                self.encoded += 1
            return self._jpeg


class Live:
    """Who looks, at what.

    Args:
        image: that is streamed.
        greeting: what each is told first.
        state: what each is told with every image, and each second without.
    """

    def __init__(
        self, picture: Picture, greeting: Callable[[], dict[str, Any]], state: Callable[[], dict[str, Any]]
    ) -> None:
        self._picture, self._greeting, self._state = picture, greeting, state
        self.viewers, self.closed, self._news = 0, False, 0

    def notify(self) -> None:
        """What each is told has changed: it goes out at once, with a new image or without."""
        self._news += 1

    async def messages(self, *, pictures: bool = True) -> AsyncIterator[bytes]:
        """Messages to one viewer, each of: length and bytes of a JSON object, length and bytes of a JPEG file.

        Lengths are of four bytes, the first the highest; a message without a new image has a length of 0.
        """
        yield _message(self._greeting(), b"")
        number, sent_at, news = 0, 0.0, self._news
        while not self.closed:
            content = b""
            if pictures and self._picture.has_newer(number):
                newest, encoded = await asyncio.to_thread(self._picture.jpeg)
                number, content = (newest, encoded) if newest > number else (number, b"")
            if content or news != self._news or time.monotonic() - sent_at >= _TELL:
                sent_at, news = time.monotonic(), self._news
                yield _message(self._state(), content)
            await asyncio.sleep(_PERIOD)


class _LiveResponse(StreamingResponse):
    """Gives the place back, however it ends."""

    def __init__(self, live: Live, pictures: bool) -> None:
        super().__init__(live.messages(pictures=pictures), media_type=_MEDIA)
        self._live = live

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._live.viewers -= 1


def live_response(live: Live, request: Request) -> Response:
    """The stream, where there is a place; with ``?pictures=none``, of the state alone.

    Raises:
        HTTPException: 503, too many look already.
    """
    if request.method == "HEAD":
        return Response(media_type=_MEDIA)
    if live.viewers >= VIEWERS:
        raise HTTPException(503, f"{VIEWERS} pages look at this already; close one of them.")
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
    # INTER_AREA costs much more where its factor is no whole number, and shows no more where it is small.
    way = cv2.INTER_LINEAR if scale > 0.5 else cv2.INTER_AREA
    return np.asarray(cv2.resize(pixels, size, interpolation=way), np.uint8)
