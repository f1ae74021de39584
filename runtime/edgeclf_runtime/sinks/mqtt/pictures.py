"""Images for a broker that may not take them."""

from __future__ import annotations

import time
from typing import Callable

__all__ = ["PictureTrial"]

_AFTER = 3.0  # seconds after an image in which a cut connection is taken for its doing
_CUTS = 2  # such cuts, and no image that was taken between them, after which no more are sent


class PictureTrial:
    """Finds that a broker cuts the connection for each image: one that is larger than it takes, by its own word or
    that of MQTT 3.1.1, in which it has no word for it.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first: float | None = None  # moment of the first image of which it is not known how it went
        self._newest, self._online = -_AFTER, False
        self._cuts = 0

    def sent(self) -> None:
        """An image is on its way."""
        self.judge()
        self._newest = self._clock()
        if self._first is None:
            self._first = self._newest

    def connected(self) -> None:
        """What waited for the broker is sent now."""
        self._online = True
        if self._first is not None:
            self._first = self._newest = self._clock()

    def judge(self) -> None:
        """Images after which the connection stood are taken."""
        if self._online and self._first is not None and self._clock() - self._first >= _AFTER:
            self._first, self._cuts = None, 0

    def cut(self) -> bool:
        """The connection was lost; whether images are to be given up."""
        self._online = False
        if self._clock() - self._newest < _AFTER:
            self._first, self._cuts = None, self._cuts + 1
        return self._cuts >= _CUTS
