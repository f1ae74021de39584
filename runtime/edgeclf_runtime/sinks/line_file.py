"""Append lines to rotating files, or to standard output or a pipe."""

from __future__ import annotations

import errno
import io
import logging
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Callable, Protocol

from edgeclf_runtime.sinks.tail import mend_end
from edgeclf_runtime.system.atomic_file import sync, sync_open

__all__ = ["LineFile", "is_output", "open_lines"]

_log = logging.getLogger(__name__)
_SYNCED = 5.0  # seconds between two syncs; a power cut may lose the lines since the last one
_OUTPUT = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


class LineFile(Protocol):
    """A file or stream to which lines are written."""

    def write(self, line: str) -> None:
        """Write a line including its end; raise OSError if it cannot be written."""

    def close(self) -> None:
        """Close the file."""


def is_output(path: Path) -> bool:
    """Whether a path names standard output."""
    return str(path) in _OUTPUT


def open_lines(path: Path, limit: int, keep: int, head: str, is_whole: Callable[[bytes], bool]) -> LineFile:
    """Open a file to append lines to; ``-`` is standard output, which, like a pipe or a device, does not rotate.

    Args:
        path: path of the file; its folder is created if missing.
        limit: bytes after which the file is renamed to ``NAME.1`` and a new one is started.
        keep: number of older files to keep.
        head: first line; a file with another first line is renamed first.
        is_whole: whether bytes without a line end are a complete line.
    """
    if is_output(path):
        return _Output(io.FileIO(os.dup(1), "w"), head)
    if path.exists() and not path.is_file() and not path.is_dir():
        return _Stream(io.FileIO(path, "a+"), head)
    return _Rotating(path, limit, keep, head, is_whole)


class _Stream:
    """A stream, whose end cannot be checked."""

    def __init__(self, file: io.FileIO, head: str) -> None:
        self._file = file
        self._write(head.encode())

    def write(self, line: str) -> None:
        self._write(line.encode())

    def _write(self, data: bytes) -> None:
        while data:
            data = data[self._file.write(data) or 0 :]

    def close(self) -> None:
        self._file.close()


class _Output(_Stream):
    """Standard output. If its reader has gone, the run ends (see ``TerminalSink``) without a message."""

    def _write(self, data: bytes) -> None:
        with suppress(BrokenPipeError):
            super()._write(data)


class _Rotating:
    """A file of complete lines that is renamed to NAME.1, NAME.2 ... when it is full.

    The file is synced with the first line after ``_SYNCED`` seconds; syncing each line would wear out a memory card.
    The last lines before a pause are left to the system, which writes them by itself (Linux within 30 s).

    Args:
        path, limit, keep, head, is_whole: see ``open_lines``.
    """

    def __init__(self, path: Path, limit: int, keep: int, head: str, is_whole: Callable[[bytes], bool]) -> None:
        self._path, self._limit, self._keep, self._head = path, limit, keep, head.encode()
        self._is_whole, self._synced = is_whole, -_SYNCED
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._opened()

    def _opened(self) -> io.FileIO:
        if self._head and _begins_otherwise(self._path, self._head):
            self._rotate(max(1, self._keep))
            _log.warning("%s: its first line is a different one; renamed to %s.", self._path, self._numbered(1).name)
        file = io.FileIO(self._path, "a+")
        mend_end(file, self._head or b"{", self._is_whole)
        if not file.seek(0, os.SEEK_END):
            _append(file, self._head)
            sync(self._path.parent)
        return file

    def write(self, line: str) -> None:
        data = line.encode()
        if self._file.closed or self._is_gone():  # closed: a rotation failed, for example because the disk was full
            self._file.close()
            self._file = self._opened()
        if self._file.tell() + len(data) > self._limit and self._file.tell() > len(self._head):
            sync_open(self._file.fileno())
            self._file.close()
            self._rotate(self._keep)
            self._file = self._opened()
        _append(self._file, data)
        if time.monotonic() - self._synced >= _SYNCED:
            sync_open(self._file.fileno())
            self._synced = time.monotonic()

    def _is_gone(self) -> bool:
        """Return whether another program, such as logrotate, renamed or removed the file."""
        try:
            return not os.path.samestat(os.fstat(self._file.fileno()), os.stat(self._path))
        except FileNotFoundError:
            return True

    def _rotate(self, keep: int) -> None:
        if not keep:
            return self._path.unlink()
        for number in range(keep, 0, -1):
            before = self._path if number == 1 else self._numbered(number - 1)
            if before.exists():
                os.replace(before, self._numbered(number))

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def close(self) -> None:
        if not self._file.closed:
            sync_open(self._file.fileno())
        self._file.close()


def _begins_otherwise(path: Path, head: bytes) -> bool:
    """Return whether a file has another first line; an editor's byte order mark and line ends are ignored."""
    try:
        with path.open("rb") as file:
            begin = file.read(len(head) + 4).rstrip(b"\0")
    except FileNotFoundError:
        return False
    begin = begin[3:] if begin.startswith(b"\xef\xbb\xbf") else begin
    return not head.startswith(begin.replace(b"\r\n", b"\n")[: len(head)])


def _append(file: io.FileIO, data: bytes) -> None:
    """Append all bytes or, if the disk is full, none."""
    end = file.tell()
    try:
        if file.write(data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), file.name)
    except OSError:
        with suppress(OSError):
            file.truncate(end)
            file.seek(end)
        raise
