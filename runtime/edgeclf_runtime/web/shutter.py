"""The shutter: decides which frames are stored while a button is held on a page."""

from __future__ import annotations

import threading
from collections import deque

__all__ = ["EVERY", "Shutter"]

_HOLDS = 1.5  # seconds a press lasts without a message from the page, which sends one every 0.4 s
EVERY = 0.2
"""Minimum time between two images in seconds."""


class Shutter:
    """One button per class, one held at a time; set by the server's thread, read by the camera's.

    If a page disappears, its press ends by itself. A short press still takes one image, but only if a frame comes soon,
    not when a lost camera comes back minutes later.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._name, self._until, self._last = "", 0.0, -EVERY
        self._press, self._owed = "", 0.0  # time until which a short press may still take its image
        self._fresh = False  # True until the press has taken an image
        self._begun, self._over = deque[str](maxlen=8), deque[str](maxlen=8)  # presses that began, and that ended

    def hold(self, name: str, press: str, moment: float) -> None:
        """Press, or keep holding, the button of a class at a time of ``time.monotonic()``.

        Args:
            press: id of this press; a known press continues even if its message comes late.
        """
        with self._lock:
            if press in self._over:  # a delayed message
                return
            if press not in self._begun:
                self._begun.append(press)
                self._owed, self._fresh = moment + _HOLDS, True
            self._name, self._press, self._until = name, press, moment + _HOLDS

    def release(self, press: str) -> None:
        """Release a press; another one that began in the meantime continues."""
        with self._lock:
            self._over.append(press)
            if press == self._press:
                self._until = 0.0

    def due(self, moment: float) -> tuple[str, str]:
        """Return the class for which to take an image now, and its press; both empty for none."""
        with self._lock:
            owed = self._fresh and moment <= self._owed
            if not owed and (moment > self._until or moment - self._last < EVERY):
                return "", ""
            self._fresh, self._last = False, moment
            return self._name, self._press
