"""Detect brokers that do not accept images."""

from __future__ import annotations

import time
from typing import Callable

__all__ = ["PictureTrial"]

_AFTER = 3.0  # seconds after an image within which a lost connection is blamed on it
_CUTS = 2  # lost connections, without an accepted image in between, after which no more images are sent


class PictureTrial:
    """Detects that a broker closes the connection after each image, because images exceed its packet limit.

    A broker that speaks MQTT 3.1.1 cannot state its limit.

    Args:
        clock: monotonic clock in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first: float | None = None  # time of the first image that is neither accepted nor refused yet
        self._newest, self._online = -_AFTER, False
        self._cuts = 0

    def sent(self) -> None:
        """Note that an image is being sent."""
        self.judge()
        self._newest = self._clock()
        if self._first is None:
            self._first = self._newest

    def connected(self) -> None:
        """Note a new connection, on which waiting messages are sent now."""
        self._online = True
        if self._first is not None:
            self._first = self._newest = self._clock()

    def judge(self) -> None:
        """Count images as accepted if the connection survived them."""
        if self._online and self._first is not None and self._clock() - self._first >= _AFTER:
            self._first, self._cuts = None, 0

    def cut(self) -> bool:
        """Note that the connection was lost; return whether to stop sending images."""
        self._online = False
        if self._clock() - self._newest < _AFTER:
            self._first, self._cuts = None, self._cuts + 1
        return self._cuts >= _CUTS
