"""Workarounds for OpenCV: silence its log where our errors say the same, and avoid file names that crash it."""

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
    """Silence OpenCV's log; the level is global to the process, so nested and parallel uses are counted."""
    # FFmpeg's lines also contain addresses; OpenCV reads this when it first uses FFmpeg. -8 is silent.
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
    """Whether OpenCV can open this name; others crash the process (SIGSEGV, OpenCV 4 and 5)."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def readable_name(path: Path) -> Iterator[str]:
    """Yield a name with which OpenCV can open this file inside the context; a file once open stays readable.

    The name is absolute, so that it is not taken for an address or a pattern of numbered images.

    Raises:
        OSError: the file cannot be opened, or its name is not UTF-8 and this system has no other name for it.
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
