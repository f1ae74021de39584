"""Encode the parts of a Matroska file of JPEGs (RFC 9559): header, images, index.

Times are in ms from the start of the video, offsets in bytes from the start of the file.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import IO

__all__ = [
    "INDEX_SIZE",
    "Cues",
    "cluster",
    "head",
    "head_end",
    "is_ended",
    "is_own_file",
    "read_duration",
    "set_duration",
    "whole_cluster",
    "write",
]

INDEX_SIZE = 12
"""Bytes of an index in addition to ``Cues.content``."""

_EPOCH = 978_307_200  # 2001-01-01, from which Matroska counts nanoseconds
_CUE_EVERY = 1000  # ms between two images in the index
_UNKNOWN = b"\x01" + b"\xff" * 7  # an unknown length


def _element(identifier: str, content: bytes, long: bool = False) -> bytes:
    """Encode an EBML element: identifier, length, content; with ``long`` the length takes 8 bytes."""
    size = len(content)
    length = ((1 << 56) | size).to_bytes(8, "big") if long or size > 126 else bytes([0x80 | size])
    return bytes.fromhex(identifier) + length + content


def _number(identifier: str, value: int, size: int = 8) -> bytes:
    return _element(identifier, value.to_bytes(size, "big"))


_EBML = _element(
    "1A45DFA3",
    _number("4286", 1, 1)  # EBML's version, and the least a reader needs
    + _number("42F7", 1, 1)
    + _number("42F2", 4, 1)  # the longest identifier and length
    + _number("42F3", 8, 1)
    + _element("4282", b"matroska")
    + _number("4287", 4, 1)  # Matroska's version, and the least a reader needs
    + _number("4285", 2, 1),
)
_SEGMENT = bytes.fromhex("18538067")
_LENGTH_AT = len(_EBML) + len(_SEGMENT)
_SEEK_AT = _LENGTH_AT + 8  # positions in a segment are counted from here
_CLUSTER, _CLUSTER_HEAD = bytes.fromhex("1F43B675"), struct.Struct(">4sQ2xQ")


def _seek_head(cues: int) -> bytes:
    """Encode the position of the index."""
    return _element("114D9B74", _element("4DBB", _element("53AB", bytes.fromhex("1C53BB6B")) + _number("53AC", cues)))


_VOID = _element("EC", bytes(len(_seek_head(0)) - 2))  # room for it
_ABOUT = _element("4D80", b"edgeclf") + _element("5741", b"edgeclf") + _number("2AD7B1", 1_000_000, 3)  # times in ms
_INFO = bytes.fromhex("1549A966")
_INFO_LENGTH = len(_ABOUT) + 11 + 11
_OWN_AT, _OWN = _SEEK_AT + len(_VOID), _INFO + bytes([0x80 | _INFO_LENGTH]) + _ABOUT
_DURATION_AT = _OWN_AT + len(_OWN) + 3
_TRACKS_AT = _OWN_AT + len(_INFO) + 1 + _INFO_LENGTH


def head(width: int, height: int, begins: float) -> bytes:
    """Encode everything before the first image; ``begins`` in seconds since 1970."""
    nanoseconds = int((begins - _EPOCH) * 1e9)
    size = _number("B0", width) + _number("BA", height)
    track = _number("D7", 1, 1) + _number("73C5", 1, 1) + _number("83", 1, 1) + _number("9C", 0, 1)
    track = _element("AE", track + _element("86", b"V_MJPEG") + _element("E0", size))
    date = _element("4461", nanoseconds.to_bytes(8, "big", signed=True))
    info = _OWN + _element("4489", bytes(8)) + date
    return _EBML + _SEGMENT + _UNKNOWN + _VOID + info + _element("1654AE6B", track)


def cluster(jpeg: bytes, time: int) -> bytes:
    """Encode one image."""
    return _element("1F43B675", _number("E7", time) + _element("A3", b"\x81\0\0\x80" + jpeg, long=True), long=True)


@dataclass
class Cues:
    """The index of a video, built while it is written: one image per second."""

    content: bytes = b""
    last: int = -_CUE_EVERY

    def note(self, time: int, offset: int) -> None:
        """Add an image if one is due."""
        if time - self.last >= _CUE_EVERY:
            where = _number("F7", 1, 1) + _number("F1", offset - _SEEK_AT)
            self.content += _element("BB", _number("B3", time) + _element("B7", where))
            self.last = time

    def finish(self, file: IO[bytes], end: int) -> None:
        """Append the index, and write its position and the file's length to the header."""
        index = _element("1C53BB6B", self.content, long=True)
        write(file, end, index)
        write(file, _SEEK_AT, _seek_head(end - _SEEK_AT))
        write(file, _LENGTH_AT, ((1 << 56) | (end + len(index) - _SEEK_AT)).to_bytes(8, "big"))


def write(file: IO[bytes], offset: int, content: bytes) -> None:
    """Write all bytes at an offset."""
    file.seek(offset)
    rest = memoryview(content)
    while rest:  # a raw file may write only a part
        rest = rest[file.write(rest) :]


def read_duration(file: IO[bytes]) -> float:
    """Read the duration in the header, in ms."""
    file.seek(_DURATION_AT)
    return float(struct.unpack(">d", file.read(8))[0])


def set_duration(file: IO[bytes], milliseconds: float) -> None:
    """Write the duration to the header."""
    write(file, _DURATION_AT, struct.pack(">d", milliseconds))


def is_own_file(file: IO[bytes]) -> bool:
    """Whether a file begins with a header written by ``head``."""
    start = file.read(_DURATION_AT)
    return start.startswith(_EBML + _SEGMENT) and start[_OWN_AT:].startswith(_OWN)


def is_ended(file: IO[bytes], size: int) -> bool:
    """Whether ``Cues.finish`` was completed for this file of ``size`` bytes."""
    file.seek(_LENGTH_AT)
    length = file.read(8)
    return length != _UNKNOWN and int.from_bytes(length, "big") - (1 << 56) == size - _SEEK_AT


def head_end(file: IO[bytes], size: int) -> int:
    """Return the offset of the first image; beyond ``size`` if the header is incomplete."""
    file.seek(_TRACKS_AT)
    track = file.read(5)
    return file.tell() + (track[4] & 0x7F if len(track) == 5 else size)


def whole_cluster(file: IO[bytes], offset: int, size: int) -> tuple[int, int] | None:
    """Return the time of the image at an offset and the offset after it; None if there is no complete image."""
    file.seek(offset)
    head = file.read(_CLUSTER_HEAD.size)
    if len(head) < _CLUSTER_HEAD.size:
        return None
    identifier, length, time = _CLUSTER_HEAD.unpack(head)
    after = offset + 12 + int(length) - (1 << 56)
    if identifier != _CLUSTER or not offset + _CLUSTER_HEAD.size < after <= size:
        return None
    file.seek(after - 2)
    return (time, after) if file.read(2) == b"\xff\xd9" else None
