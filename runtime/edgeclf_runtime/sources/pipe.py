"""JPEG images from standard input, one after the other, as cameras' own tools write them."""

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
    """Read a stream of JPEGs, all of them: who writes it waits. At its end it is lost for good.

    Args:
        file: standard input's bytes.
        options, listener: see ``LiveSource``.
    """
    capture = _PipeCapture(file)
    # An image that stays the same may well be meant, and so may silence: what writes it is no camera of ours.
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
        """The same: there is only one standard input."""
        return self

    def wake(self) -> None:
        """End a read that waits; there will be no other."""
        self._woken = True

    def read(self) -> Any:
        while True:
            picture = take_jpeg(self._data)
            if picture is None:
                try:
                    self._data += self._chunk()
                    continue
                except SourceEnded:  # perhaps behind an image without its end marker
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
        raise NotImplementedError  # all are JPEGs

    def close(self) -> None:
        """Standard input stays open."""
