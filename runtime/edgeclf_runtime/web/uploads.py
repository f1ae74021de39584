"""Photographs that a page takes with its own camera: checked like any file of a stranger."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Callable

import numpy as np
import numpy.typing as npt
from starlette.exceptions import HTTPException
from starlette.requests import Request

from edgeclf_runtime.errors import ImageError
from edgeclf_runtime.pictures.images import checked_header, decode_image
from edgeclf_runtime.web.requests import read_file_content
from edgeclf_runtime.web.shutter import EVERY

__all__ = ["Uploads", "check_photograph"]

_BYTES = 1 << 24
_PIXELS = 1 << 24  # 4096x4096; the page makes larger ones smaller
_PATIENCE = 30.0  # seconds for a photograph to come
_QUEUE = 10.0  # seconds until one may begin to come
_AT_ONCE = 3  # that are in memory; others wait on their way
_END = 2  # bytes of a JPEG's end marker
_SCAN = b"\xff\xda"  # begins one
_SCANS = 100  # of a JPEG, each of which costs a pass over all its pixels; a progressive one has about ten


def check_photograph(data: bytes) -> tuple[bytes, npt.NDArray[np.uint8]]:
    """A JPEG without what may follow its end, and its pixels: uint8 RGB ``[height, width, 3]``, upright.

    Raises:
        ImageError: no JPEG, cut short, damaged or too large.
    """
    header = checked_header(data, "photograph", limit=_PIXELS)
    if header.kind != "JPEG":
        raise ImageError(f"photograph: {header.kind}, expected a JPEG.")
    if data.count(_SCAN) > _SCANS:
        raise ImageError(f"photograph: more than {_SCANS} scans.")
    pixels = decode_image(data, "photograph", limit=_PIXELS)
    return (data[: header.end + _END] if header.end else data), pixels


class Uploads:
    """Takes in photographs, a few at a time, and at the pace of the other camera.

    Args:
        keep: called with what ``check_photograph`` gives, in a thread, one at a time.
    """

    def __init__(self, keep: Callable[[str, str, bytes, npt.NDArray[np.uint8]], None]) -> None:
        self._keep, self._next, self._lock = keep, 0.0, threading.Lock()
        self._places: asyncio.Semaphore | None = None

    async def take(self, request: Request, name: str, press: str) -> None:
        """The photograph that a request brings.

        Args:
            name, press: of its class, and what it is taken back with.

        Raises:
            HTTPException: it cannot be taken, and why.
        """
        if self._places is None:  # in its loop: Python 3.9 asks for that
            self._places = asyncio.Semaphore(_AT_ONCE)
        try:
            await asyncio.wait_for(self._places.acquire(), _QUEUE)
        except asyncio.TimeoutError:
            raise HTTPException(503, "Too many photographs at the same time; take it again.") from None
        try:
            data = await read_file_content(request, _BYTES, _PATIENCE)
            await asyncio.to_thread(self._check_and_keep, name, press, data)
        except ImageError as error:
            raise HTTPException(400, str(error)) from None
        finally:
            self._places.release()

    def _check_and_keep(self, name: str, press: str, data: bytes) -> None:
        with self._lock:
            time.sleep(max(0.0, min(EVERY, self._next - time.monotonic())))
            self._next = time.monotonic() + EVERY
            self._keep(name, press, *check_photograph(data))
