"""A button that is held on a page, and the pictures that are due while it is."""

from __future__ import annotations

import threading

__all__ = ["Shutter"]

_HOLDS = 1.5  # seconds a press lasts without word from the page, which says it is still held every 0.4 s
_EVERY = 0.2  # seconds between two pictures


class Shutter:
    """One button a class, one held at a time; told by the server's thread, asked by the camera's.

    A page that is gone cannot let go: what it held ends by itself. A short press is one picture all the same.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._name, self._until, self._owed, self._last = "", 0.0, False, -_EVERY

    def hold(self, name: str, moment: float) -> None:
        """The button of this class is pressed, or still held, at a moment of ``time.monotonic()``."""
        with self._lock:
            self._owed = self._owed or name != self._name or moment > self._until
            self._name, self._until = name, moment + _HOLDS

    def release(self) -> None:
        """It was let go."""
        with self._lock:
            self._until = 0.0

    def due(self, moment: float) -> tuple[str, bool]:
        """The class a picture is to be taken of now, empty for none; and whether it is the first of its press."""
        with self._lock:
            first = self._owed
            if not first and (moment > self._until or moment - self._last < _EVERY):
                return "", False
            self._owed, self._last = False, moment
            return self._name, first
