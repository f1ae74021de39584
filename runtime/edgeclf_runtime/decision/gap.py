"""Detect gaps between frames, after which earlier frames no longer count."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

__all__ = ["Gaps"]

_LEAST = 3.0  # minimum length of a gap in seconds
_TIMES = 5.0  # minimum length of a gap as a multiple of the usual interval


class Gaps:
    """Follows the times of all frames of a source, including those that are not classified."""

    def __init__(self) -> None:
        self._last: float | None = None
        self._steps: deque[float] = deque(maxlen=9)

    def ends_at(self, moment: float) -> bool:
        """Return whether a frame at this time, in s, follows a gap of at least 3 s and five times the usual interval.

        A time that goes back, as with the next video, also counts as a gap. The same time again changes nothing.
        """
        if self._last is None or moment == self._last:
            self._last = moment
            return False
        step, self._last = moment - self._last, moment
        usual = _median(self._steps) if self._steps else 0.0
        self._steps.append(max(0.0, step))
        return step < 0 or step > max(_LEAST, _TIMES * usual)


def _median(values: Iterable[float]) -> float:
    """Return the median; the module ``statistics`` would take 2 MiB for it."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return (ordered[middle] + ordered[~middle]) / 2
