"""Receive photographs that a browser takes with its own camera, checked like any untrusted file."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Callable, TypeVar

import numpy as np
import numpy.typing as npt
from starlette.exceptions import HTTPException
from starlette.requests import Request

from edgeclf_runtime.errors import ImageError
from edgeclf_runtime.pictures.images import checked_header, decode_image
from edgeclf_runtime.web.requests import read_file_content
from edgeclf_runtime.web.shutter import EVERY

__all__ = ["Uploads", "check_photograph"]

_T = TypeVar("_T")

_BYTES = 1 << 24
_PIXELS = 1 << 24  # 4096x4096; the page scales larger ones down
_PATIENCE = 30.0  # seconds for a photograph to arrive
_QUEUE = 10.0  # seconds a request may wait for a free slot
_AT_ONCE = 3  # photographs in memory at the same time; others wait
_END = 2  # bytes of a JPEG's end marker
_SCAN = b"\xff\xda"  # marker that begins a scan
_SCANS = 100  # maximum number of scans: each costs a pass over all pixels; a progressive JPEG has about ten


def check_photograph(data: bytes) -> tuple[bytes, npt.NDArray[np.uint8]]:
    """Return a JPEG without bytes after its end, and its pixels: uint8 RGB ``[height, width, 3]``, upright.

    Raises:
        ImageError: not a JPEG, truncated, damaged or too large.
    """
    header = checked_header(data, "photograph", limit=_PIXELS)
    if header.kind != "JPEG":
        raise ImageError(f"photograph: {header.kind}, expected a JPEG.")
    if data.count(_SCAN) > _SCANS:
        raise ImageError(f"photograph: more than {_SCANS} scans.")
    pixels = decode_image(data, "photograph", limit=_PIXELS)
    return (data[: header.end + _END] if header.end else data), pixels


class Uploads:
    """Receives photographs, a few at a time, at the same rate as those of the other camera.

    Args:
        keep: called with the class, the press and the results of ``check_photograph``, in a thread, one at a time.
    """

    def __init__(self, keep: Callable[[str, str, bytes, npt.NDArray[np.uint8]], None]) -> None:
        self._keep, self._next, self._lock = keep, 0.0, threading.Lock()
        self._places: asyncio.Semaphore | None = None

    async def take(self, request: Request, name: str, press: str) -> None:
        """Receive the photograph of a request, and keep it.

        Args:
            name: name of its class.
            press: id of the button press, for undoing.

        Raises:
            HTTPException: the photograph cannot be accepted; the message says why.
        """
        await self.receive(request, lambda data: self._check_and_keep(name, press, data))

    async def receive(self, request: Request, use: Callable[[bytes], _T]) -> _T:
        """Receive the photograph of a request, and return the result of ``use``, called in a thread.

        Raises:
            HTTPException: the photograph cannot be accepted; the message says why.
        """
        if self._places is None:  # created inside the event loop, as Python 3.9 requires
            self._places = asyncio.Semaphore(_AT_ONCE)
        try:
            await asyncio.wait_for(self._places.acquire(), _QUEUE)
        except asyncio.TimeoutError:
            raise HTTPException(503, "Too many photographs at the same time; take it again.") from None
        try:
            data = await read_file_content(request, _BYTES, _PATIENCE)
            return await asyncio.to_thread(use, data)
        except ImageError as error:
            raise HTTPException(400, str(error)) from None
        finally:
            self._places.release()

    def _check_and_keep(self, name: str, press: str, data: bytes) -> None:
        with self._lock:
            time.sleep(max(0.0, min(EVERY, self._next - time.monotonic())))
            self._next = time.monotonic() + EVERY
            self._keep(name, press, *check_photograph(data))
