"""JPEG pictures from standard input, one after the other, as cameras' own tools write them."""

from __future__ import annotations

import math
import os
import select
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.errors import SourceEnded, SourceError
from edgeclf_runtime.sources.live import LiveSource
from edgeclf_runtime.sources.source import SourceOptions, StateListener

__all__ = ["open_pipe", "take_jpeg"]

_LARGEST = 32 * 1024 * 1024  # bytes of one picture
_CHUNK = 65_536
_SCAN = b"\xff\xda"


def open_pipe(file: BinaryIO, options: SourceOptions, listener: StateListener | None = None) -> LiveSource:
    """Read a stream of JPEGs; at its end the source is lost, and it cannot be opened again.

    Args:
        file: standard input's bytes.
        options, listener: see ``LiveSource``.
    """
    capture = _PipeCapture(file)
    # A picture that stays the same may well be meant, and so may silence: what writes it is no camera of ours.
    return LiveSource(capture.reopened, replace(options, frozen=0.0), listener, patience=math.inf, wake=capture.wake)


def take_jpeg(data: bytearray) -> bytes | None:
    """Cut the first whole picture off, with what lies before it.

    Its segments are walked by their lengths, so that a thumbnail inside does not end it. Where its end marker is
    missing, the next picture's beginning ends it.

    Raises:
        SourceError: a picture of more than 32 MB, or what is no JPEG.
    """
    start = data.find(b"\xff\xd8")
    if start < 0:
        del data[:-1]
        return None
    end = _end(data, start)
    if end is None:
        if len(data) - start > _LARGEST:
            del data[: start + 2]  # it is given up; the next one may be good
            raise SourceError("Standard input: a picture of more than 32 MB, or no stream of JPEGs.")
        return None
    picture = bytes(data[start:end])
    del data[:end]
    return picture


def _end(data: bytearray, start: int) -> int | None:
    place = start + 2
    while place + 4 <= len(data):
        if data[place] != 0xFF:
            del data[: start + 2]  # no picture begins there; the next one may
            raise SourceError("Standard input: not a stream of JPEGs.")
        kind = data[place + 1]
        if kind == 0xD9:
            return place + 2
        if kind == 0xD8:
            return place
        if kind == 0xFF or 0xD0 <= kind <= 0xD7 or kind == 0x01:
            place += 1 if kind == 0xFF else 2
            continue
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        if kind == 0xDA:
            marker = _marker(data, place)
            if marker is None:
                return None
            place = marker
    return place + 2 if bytes(data[place : place + 2]) == b"\xff\xd9" else None


def _marker(data: bytearray, place: int) -> int | None:
    """The next marker after entropy-coded data, in which 0xFF is followed by 0 or a restart's number."""
    while True:
        place = data.find(b"\xff", place)
        if place < 0 or place + 1 >= len(data):
            return None
        if data[place + 1] != 0 and not 0xD0 <= data[place + 1] <= 0xD7:
            return place
        place += 2


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
                except SourceEnded:  # perhaps behind a picture without its end marker
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
