"""JPEG images from standard input, one after the other, as command-line tools of cameras write them."""

from __future__ import annotations

import math
import os
import select
import sys
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.errors import SourceEnded, SourceError
from edgeclf_runtime.sources.jpeg_stream import take_jpeg
from edgeclf_runtime.sources.live import LiveSource
from edgeclf_runtime.sources.request import Request
from edgeclf_runtime.sources.source import SourceOptions, StateListener

__all__ = ["open_pipe", "open_request"]

_CHUNK = 65_536
_SCAN = b"\xff\xda"


def open_request(request: Request) -> LiveSource:
    """Open standard input.

    Raises:
        SourceError: it is closed.
    """
    if sys.stdin is None:
        raise SourceError("-: standard input is closed.")
    return open_pipe(sys.stdin.buffer, request.options, request.listener)


def open_pipe(file: BinaryIO, options: SourceOptions, listener: StateListener | None = None) -> LiveSource:
    """Read all images of a stream of JPEGs; the writer waits. The source cannot be reopened after its end.

    Args:
        file: standard input in binary mode.
        options, listener: see ``LiveSource``.
    """
    capture = _PipeCapture(file)
    # Identical images and pauses may be intended: the writer is another program, not a camera opened here.
    return LiveSource(
        capture.reopened,
        replace(options, frozen_after=0.0),
        listener,
        patience=math.inf,
        wake=capture.wake,
        patient=True,
    )


class _PipeCapture:
    description = "standard input"

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._data, self._woken = file, bytearray(), False

    def reopened(self) -> _PipeCapture:
        """Return this object: there is only one standard input."""
        return self

    def wake(self) -> None:
        """End a waiting read; no other follows."""
        self._woken = True

    def read(self) -> Any:
        while True:
            picture = take_jpeg(self._data)
            if picture is None:
                try:
                    self._data += self._chunk()
                    continue
                except SourceEnded:  # the last image may lack its end marker
                    if not self._data.startswith(b"\xff\xd8") or _SCAN not in self._data:
                        raise
                    picture = bytes(self._data)
                    self._data.clear()
            return np.frombuffer(picture, np.uint8)[np.newaxis]

    def _chunk(self) -> bytes:
        descriptor = self._file.fileno()
        while not self._woken:
            if select.select([descriptor], [], [], 0.2)[0]:
                chunk = os.read(descriptor, _CHUNK)
                if not chunk:
                    raise SourceEnded("Standard input: ended.")
                return chunk
        raise SourceError("Standard input: closed.")

    def rgb(self, picture: Any) -> npt.NDArray[np.uint8]:
        raise NotImplementedError  # all images are JPEGs

    def close(self) -> None:
        """Do nothing: standard input stays open."""
