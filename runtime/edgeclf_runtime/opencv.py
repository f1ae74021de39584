"""OpenCV's log lines, kept quiet where our own errors say the same."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["quiet"]

_lock = threading.Lock()
_users = 0
_level = 0
_SILENT = 0


@contextmanager
def quiet() -> Iterator[None]:
    """No log lines from OpenCV for a while; the level is the whole process's, so that its users are counted."""
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
