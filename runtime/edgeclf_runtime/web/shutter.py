"""A button that is held on a page, and the images that are due while it is."""

from __future__ import annotations

import threading
from collections import deque

__all__ = ["EVERY", "Shutter"]

_HOLDS = 1.5  # seconds a press lasts without word from the page, which says it is still held every 0.4 s
EVERY = 0.2
"""Seconds between two images, at least."""


class Shutter:
    """One button a class, one held at a time; told by the server's thread, asked by the camera's.

    A page that is gone cannot let go: what it held ends by itself. A short press is one image all the same, but only
    if a frame comes soon: not of what is in view when a camera is back after minutes.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._name, self._until, self._last = "", 0.0, -EVERY
        self._press, self._owed = "", 0.0  # until when a short one has its image
        self._fresh = False  # none of it was taken yet
        self._begun, self._over = deque[str](maxlen=8), deque[str](maxlen=8)  # presses that have begun, and that ended

    def hold(self, name: str, press: str, moment: float) -> None:
        """The button of this class is pressed, or still held, at a moment of ``time.monotonic()``.

        Args:
            press: what tells this press from others; one that was known is gone on with, however late its word comes.
        """
        with self._lock:
            if press in self._over:  # the word of it was long on its way
                return
            if press not in self._begun:
                self._begun.append(press)
                self._owed, self._fresh = moment + _HOLDS, True
            self._name, self._press, self._until = name, press, moment + _HOLDS

    def release(self, press: str) -> None:
        """It was let go; another that was begun meanwhile goes on."""
        with self._lock:
            self._over.append(press)
            if press == self._press:
                self._until = 0.0

    def due(self, moment: float) -> tuple[str, str]:
        """The class an image is to be taken of now, and the press that asks for it; both empty for none."""
        with self._lock:
            owed = self._fresh and moment <= self._owed
            if not owed and (moment > self._until or moment - self._last < EVERY):
                return "", ""
            self._fresh, self._last = False, moment
            return self._name, self._press
