"""Repair the end of a line file after a power cut: half a line, or zeros if only the file's size reached the disk."""

from __future__ import annotations

import io
import logging
import os
from typing import Callable

__all__ = ["mend_end"]

_log = logging.getLogger(__name__)
_TAIL = 1 << 20  # bytes that are checked, more than is written between two syncs


def mend_end(file: io.FileIO, begin: bytes, is_whole: Callable[[bytes], bool]) -> None:
    """Make a file end with a complete line; log a warning if bytes were removed.

    Args:
        file: opened for reading and appending.
        begin: the first bytes of the sink's files; any other file, given by mistake, is left alone.
        is_whole: whether bytes without a line end are a complete line.
    """
    size = os.fstat(file.fileno()).st_size
    start = max(0, size - _TAIL)
    tail = os.pread(file.fileno(), _TAIL, start)
    zeros = tail.find(b"\0")
    sound = tail if zeros < 0 else tail[:zeros]
    last = sound.rfind(b"\n") + 1
    if zeros < 0 and last == len(tail):
        return
    is_ours = begin.startswith(os.pread(file.fileno(), len(begin), 0).rstrip(b"\0"))
    if not is_ours or (start and not last) or (zeros < 0 and is_whole(sound[last:])):
        if not tail.endswith(b"\n"):
            file.write(b"\n")
        return
    file.truncate(start + last)
    lost = size - start - last
    _log.warning("%s: removed its last %d bytes, a line not written to its end (a power cut?).", file.name, lost)
