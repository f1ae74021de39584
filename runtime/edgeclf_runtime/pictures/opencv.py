"""OpenCV's manners: log lines kept quiet where our own errors say the same, and names of files that would crash it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["is_utf8", "quiet", "readable_name"]

_lock = threading.Lock()
_users = 0
_level = 0
_SILENT = 0


@contextmanager
def quiet() -> Iterator[None]:
    """No log lines from OpenCV for a while; the level is the whole process's, so that its users are counted."""
    # FFmpeg's lines name addresses, too; OpenCV looks at this when it first uses FFmpeg. -8 is none.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    import cv2

    global _users, _level
    # OpenCV 5 moved the two functions.
    control: Any = getattr(cv2.utils, "logging", cv2)
    with _lock:
        if _users == 0:
            _level = control.getLogLevel()
            control.setLogLevel(_SILENT)
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                control.setLogLevel(_level)


def is_utf8(path: Path) -> bool:
    """Whether OpenCV can be given this name; others end the process (SIGSEGV, OpenCV 4 and 5)."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def readable_name(path: Path) -> Iterator[str]:
    """A name by which OpenCV can open this file to read it, while the context is open; a file opened goes on.

    Absolute, so that it cannot be taken for an address or a pattern of numbered images.

    Raises:
        OSError: it cannot be opened, or its name is not UTF-8 and this system has no other for it.
    """
    whole = path.resolve()
    if is_utf8(whole):
        yield str(whole)
        return
    descriptor = os.open(whole, os.O_RDONLY)
    try:
        other = f"/proc/self/fd/{descriptor}"
        if not os.path.exists(other):
            raise OSError("its name is not UTF-8; rename it")
        yield other
    finally:
        os.close(descriptor)
