"""A film of JPEGs in a Matroska file (RFC 9559) that can be played up to its last whole picture at any moment.

Every picture is a cluster of its own, with its own time, appended by one write; the duration at the file's head is
brought up to date after each. Neither an index nor a length is needed to play what is there when the process is killed:
both are added when the film is closed, or by ``mend`` when nobody could. Nothing is synced: waiting for a memory card
would lose pictures, and after a power cut the film ends where the disk's content does.
"""

from __future__ import annotations

import os
import struct
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

__all__ = ["MatroskaFilm", "is_own", "mend"]

_EPOCH = 978_307_200  # Matroska counts nanoseconds from 2001
_CUE_EVERY = 1000  # ms between two pictures in the index
_ONLY = 100  # ms that an only picture stands
_UNKNOWN = b"\x01" + b"\xff" * 7  # a length


def _element(identifier: str, content: bytes, long: bool = False) -> bytes:
    """An EBML element: identifier, length, content; ``long`` lengths take 8 bytes."""
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
    """Where the index is."""
    return _element("114D9B74", _element("4DBB", _element("53AB", bytes.fromhex("1C53BB6B")) + _number("53AC", cues)))


_VOID = _element("EC", bytes(len(_seek_head(0)) - 2))  # room for it
_ABOUT = _element("4D80", b"edgeclf") + _element("5741", b"edgeclf") + _number("2AD7B1", 1_000_000, 3)  # times in ms
_INFO = bytes.fromhex("1549A966")
_INFO_LENGTH = len(_ABOUT) + 11 + 11
_OWN_AT, _OWN = _SEEK_AT + len(_VOID), _INFO + bytes([0x80 | _INFO_LENGTH]) + _ABOUT
_DURATION_AT = _OWN_AT + len(_OWN) + 3


def _head(width: int, height: int, begins: float) -> bytes:
    nanoseconds = int((begins - _EPOCH) * 1e9)
    size = _number("B0", width) + _number("BA", height)
    track = _number("D7", 1, 1) + _number("73C5", 1, 1) + _number("83", 1, 1) + _number("9C", 0, 1)
    track = _element("AE", track + _element("86", b"V_MJPEG") + _element("E0", size))
    date = _element("4461", nanoseconds.to_bytes(8, "big", signed=True))
    info = _OWN + _element("4489", bytes(8)) + date
    return _EBML + _SEGMENT + _UNKNOWN + _VOID + info + _element("1654AE6B", track)


def _cluster(jpeg: bytes, time: int) -> bytes:
    return _element("1F43B675", _number("E7", time) + _element("A3", b"\x81\0\0\x80" + jpeg, long=True), long=True)


@dataclass
class _Cues:
    """The index of a film, made while it grows: a picture a second."""

    content: bytes = b""
    last: int = -_CUE_EVERY

    def note(self, time: int, offset: int) -> None:
        if time - self.last >= _CUE_EVERY:
            where = _number("F7", 1, 1) + _number("F1", offset - _SEEK_AT)
            self.content += _element("BB", _number("B3", time) + _element("B7", where))
            self.last = time

    def finish(self, file: IO[bytes], end: int) -> None:
        """Append it, and write where it is and how long the file is now."""
        index = _element("1C53BB6B", self.content, long=True)
        _write(file, end, index)
        _write(file, _SEEK_AT, _seek_head(end - _SEEK_AT))
        _write(file, _LENGTH_AT, ((1 << 56) | (end + len(index) - _SEEK_AT)).to_bytes(8, "big"))


def _write(file: IO[bytes], offset: int, content: bytes) -> None:
    file.seek(offset)
    rest = memoryview(content)
    while rest:  # a raw file may take a part
        rest = rest[file.write(rest) :]


def _set_duration(file: IO[bytes], milliseconds: float) -> None:
    _write(file, _DURATION_AT, struct.pack(">d", milliseconds))


def _lock(file: IO[bytes]) -> bool:
    """Mark a film as being written; whether nobody else does. The mark goes with the process."""
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a filesystem without locks
        return True
    return True


@dataclass
class MatroskaFilm:
    """One film, growing.

    Args:
        path: of a new file.
        width, height: of its pictures, in pixels.
        begins: when the first picture was taken, in seconds since 1970.

    Attributes:
        size: in bytes, of the file once it is closed, if nothing more is added.

    Raises:
        OSError: the file is there already, or cannot be written; then it is not left behind.
    """

    path: Path
    width: int
    height: int
    begins: float
    size: int = field(default=0, init=False)
    _cues: _Cues = field(default_factory=_Cues, init=False)

    def __post_init__(self) -> None:
        head = _head(self.width, self.height, self.begins)
        self._file: IO[bytes] = open(self.path, "xb", buffering=0)  # noqa: SIM115 - closed by close
        try:
            _lock(self._file)
            _write(self._file, 0, head)
        except BaseException:
            self._file.close()
            self.path.unlink()
            raise
        self._end = len(head)
        self.size = self._end + 12

    def add(self, jpeg: bytes, time: int, duration: float) -> None:
        """Append a picture.

        Args:
            jpeg: the file's content.
            time: from the film's beginning, in ms; larger than that of the one before.
            duration: of the film with it, in ms.

        Raises:
            OSError: it cannot be written; the film is what it was.
        """
        cluster = _cluster(jpeg, time)
        try:
            _write(self._file, self._end, cluster)
        except OSError:
            self._file.truncate(self._end)
            raise
        self._cues.note(time, self._end)
        self._end += len(cluster)
        self.size = self._end + 12 + len(self._cues.content)
        _set_duration(self._file, duration)

    def close(self, duration: float) -> None:
        """End it, with its duration in ms; without a picture it is removed."""
        with self._file:
            if not self._cues.content:
                self.path.unlink()
                return
            _set_duration(self._file, duration)
            self._cues.finish(self._file, self._end)


def is_own(path: Path) -> bool:
    """Whether ``MatroskaFilm`` wrote this file."""
    try:
        with path.open("rb") as file:
            start = file.read(_DURATION_AT)
    except OSError:
        return False
    return start.startswith(_EBML + _SEGMENT) and start[_OWN_AT:].startswith(_OWN)


def mend(path: Path) -> bool:
    """End a film whose writer was killed: cut a torn picture off, add index and length.

    Returns:
        whether it was one; one that is whole, or still being written, is left alone.

    Raises:
        OSError: it cannot be read or written.
    """
    with open(path, "r+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(_LENGTH_AT)
        length = file.read(8)
        whole = length != _UNKNOWN and int.from_bytes(length, "big") - (1 << 56) == size - _SEEK_AT
        if whole or not _lock(file):
            return False
        file.seek(_OWN_AT + len(_INFO) + 1 + _INFO_LENGTH)
        track = file.read(5)
        end = file.tell() + (track[4] & 0x7F if len(track) == 5 else size)
        if end > size:  # the power was cut before the disk had as much
            return False
        cues, last, step = _Cues(), 0, 0
        while (cluster := _whole_cluster(file, end, size)) is not None:
            time, after = cluster
            last, step = time, time - last
            cues.note(time, end)
            end = after
        if not cues.content:
            path.unlink()
            return True
        file.seek(_DURATION_AT)
        (duration,) = struct.unpack(">d", file.read(8))
        if end != size or duration <= last:  # it counts what was lost, or its writer did not come to it
            file.truncate(end)
            _set_duration(file, last + (step or _ONLY))
        cues.finish(file, end)
        return True


def _whole_cluster(file: IO[bytes], offset: int, size: int) -> tuple[int, int] | None:
    """The time of the picture there and the offset after it; None where there is no whole one."""
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
