"""Remember which answer came before, and count how often each began recently."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

__all__ = ["Events"]

_MOST = 10_000  # number of times remembered per answer


@dataclass
class _Answer:
    label: str
    refused: bool


class Events:
    """Follows the changes of the answer.

    Args:
        period: seconds back from the current frame within which changes are counted; 0 counts none.

    Attributes:
        before: the answer before the current one; if that was "unknown", also the last one before it, unless that is
            the current one again.
    """

    def __init__(self, period: float = 0.0) -> None:
        self._period = period
        self._current: _Answer | None = None
        self._last_known = ""
        self._began: dict[str, deque[float]] = {}
        self.before: tuple[str, ...] = ()

    def change(self, label: str, refused: bool, moment: float) -> None:
        """Note a new answer, and the ``moment`` of its frame in seconds."""
        if self._current is not None:
            before = [self._current.label]
            if self._current.refused and self._last_known not in ("", label):
                before.append(self._last_known)
            self.before = tuple(before)
        self._current = _Answer(label, refused)
        if not refused:
            self._last_known = label
        if self._period:
            self._began.setdefault(label, deque(maxlen=_MOST)).append(moment)

    def counts(self, moment: float) -> dict[str, int] | None:
        """Return how often each answer began within the period before a frame; None without a period.

        Times later than the frame's come from another video, and are forgotten.
        """
        if not self._period:
            return None
        for label, times in list(self._began.items()):
            while times and times[0] <= moment - self._period:
                times.popleft()
            if times and times[-1] > moment:
                times.clear()
            if not times:
                del self._began[label]
        return {label: len(times) for label, times in sorted(self._began.items())}
