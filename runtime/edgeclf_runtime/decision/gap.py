"""Pauses of a source, after which what was seen before says nothing about what is seen now."""

from __future__ import annotations

import statistics
from collections import deque

__all__ = ["Gaps"]

_LEAST = 3.0  # seconds
_TIMES = 5.0  # as long as is usual between two frames


class Gaps:
    """Follows the moments of one source's frames: all of them, also those that are not classified."""

    def __init__(self) -> None:
        self._last: float | None = None
        self._steps: deque[float] = deque(maxlen=9)

    def ends_at(self, moment: float) -> bool:
        """Whether a frame of this moment, in seconds, comes after a gap: 3 s, and five times the usual pause.

        So it does after time went back, as in another film.
        """
        if self._last is None:
            self._last = moment
            return False
        step, self._last = moment - self._last, moment
        usual = statistics.median(self._steps) if self._steps else 0.0
        self._steps.append(max(0.0, step))
        return step < 0 or step > max(_LEAST, _TIMES * usual)
