"""Leave the processor to the service: a new model that is tried comes last."""

from __future__ import annotations

import os
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

__all__ = ["Pace", "give_way"]

_NICE = 10  # as of a new model that is tried by ``updates.use``
_WINDOW = 10.0  # seconds over which the service's rate is measured
_FALLS = 0.9  # share of the usual rate below which frames are left out
_REST = 9.0  # rests that many times as long as a frame took


def give_way() -> None:
    """Let this process go behind the service for the processor, and be the first to end if memory is short."""
    os.nice(_NICE)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", "utf-8")


class Pace:
    """Watches how many answers a second the service gives, and leaves frames out while they are fewer than usual.

    Args:
        usual: answers a second before; 0 if unknown.
    """

    def __init__(self, usual: float) -> None:
        self._usual = usual
        self._seen = deque[tuple[float, int]]()
        self._first: tuple[float, int] | None = None

    def note(self, count: int, moment: float) -> None:
        """Note how many frames the service had answered at a time, in seconds."""
        self._first = self._first or (moment, count)
        self._seen.append((moment, count))
        while moment - self._seen[0][0] > _WINDOW:
            self._seen.popleft()

    @property
    def rate(self) -> float:
        """Answers a second since the beginning; 0 if unknown."""
        return _rate(self._first, self._seen[-1]) if self._first else 0.0

    @property
    def rest(self) -> float:
        """For how many times the time of a frame to rest after it."""
        recent = _rate(self._seen[0], self._seen[-1]) if self._seen else 0.0
        return _REST if 0 < recent < _FALLS * self._usual else 0.0

    def wait(self, spent: float, most: float) -> None:
        """Rest after a frame that took ``spent`` seconds, if the service is slower than usual, at most ``most``."""
        time.sleep(max(0.0, min(self.rest * spent, most)))


def _rate(first: tuple[float, int], last: tuple[float, int]) -> float:
    return (last[1] - first[1]) / (last[0] - first[0]) if last[0] > first[0] else 0.0
