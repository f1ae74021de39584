"""Leave the processor to the service: the trial of a new model has the lowest priority."""

from __future__ import annotations

import os
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

__all__ = ["Pace", "give_way"]

_NICE = 10  # as for the trial of a new model by ``updates.use``
_WINDOW = 10.0  # seconds over which the service's rate is measured
_FALLS = 0.9  # share of the usual rate below which frames are skipped
_REST = 9.0  # maximum length of a rest, as a multiple of the last frame's time


def give_way() -> None:
    """Lower this process's priority below the service's, and let it be killed first if memory is short."""
    os.nice(_NICE)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", "utf-8")


class Pace:
    """Watches the service's answers per second, and skips frames while they are fewer than usual.

    Args:
        usual: answers per second before; 0 if unknown.
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
        """Return the answers per second since the beginning; 0 if unknown."""
        return _rate(self._first, self._seen[-1]) if self._first else 0.0

    @property
    def rest(self) -> float:
        """Return the length of the rest after a frame, as a multiple of its time."""
        recent = _rate(self._seen[0], self._seen[-1]) if self._seen else 0.0
        return _REST if 0 < recent < _FALLS * self._usual else 0.0

    def wait(self, spent: float, most: float) -> None:
        """Rest after a frame that took ``spent`` seconds, if the service is slower than usual, at most ``most``."""
        time.sleep(max(0.0, min(self.rest * spent, most)))


def _rate(first: tuple[float, int], last: tuple[float, int]) -> float:
    return (last[1] - first[1]) / (last[0] - first[0]) if last[0] > first[0] else 0.0
