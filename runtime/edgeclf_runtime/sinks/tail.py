"""The end of a file of lines after a power cut: half a line, or zeros where its size was written, not its content."""

from __future__ import annotations

import io
import logging
import os
from typing import Callable

__all__ = ["mend_end"]

_log = logging.getLogger(__name__)
_TAIL = 1 << 20  # bytes that are looked at, more than is written between two syncs


def mend_end(file: io.FileIO, begin: bytes, is_whole: Callable[[bytes], bool]) -> None:
    """Make the file end with a whole line, so that each line can be read; says so where something had to go.

    Args:
        file: opened to be read and appended to.
        begin: of the files that are written so; of another, given by mistake, nothing is taken away.
        is_whole: whether bytes without a line's end are a line.
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
