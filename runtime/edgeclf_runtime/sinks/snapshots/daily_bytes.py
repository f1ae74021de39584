"""How many bytes were written within a day, known again after a restart."""

from __future__ import annotations

import json
import time
from pathlib import Path

from edgeclf_runtime.system.atomic_file import written_beside

__all__ = ["DailyBytes"]

_HOURS = 24
_ADVANCE = 64  # part of the limit that is noted before it is written, so that the note is seldom renewed
_SMALL = 1024  # part of the limit that is not worth a note


class DailyBytes:
    """A bound that holds in any 24 hours, as hour by hour is counted, whatever the clock does.

    Time is the machine's own since it was started, after the latest time that was noted before: a clock that is set, or
    that begins in 1970, neither frees bytes nor takes any. What may have been written when the power went counts as
    written.

    Args:
        file: where it is noted; one that is damaged counts as none.
        limit: bytes; 0 for no bound.
    """

    def __init__(self, file: Path, limit: int) -> None:
        self._file, self._limit = file, limit
        noted, self._hours = _read(file)
        self._ahead = max(noted, time.time()) - time.monotonic()
        self._noted = dict(self._hours)

    def allows(self, size: int) -> bool:
        """Whether so many more are within the bound."""
        return not self._limit or sum(self._recent().values()) + size <= self._limit

    def add(self, size: int) -> None:
        """So many are about to be written.

        Raises:
            OSError: this cannot be noted.
        """
        if not self._limit:
            return
        hour = self._hour()
        self._hours = self._recent()
        self._hours[hour] = self._hours.get(hour, 0) + size
        if self._hours[hour] - self._noted.get(hour, 0) > self._limit // _SMALL:
            self._note({**self._hours, hour: self._hours[hour] + self._limit // _ADVANCE})

    def close(self) -> None:
        """Note what was written, to the byte."""
        if abs(sum(self._noted.values()) - sum(self._hours.values())) > self._limit // _SMALL:
            self._note(self._hours)

    def _hour(self) -> int:
        return int((self._ahead + time.monotonic()) // 3600)

    def _recent(self) -> dict[int, int]:
        """Bytes by hour, of the last 24 and the present one."""
        now = self._hour()
        return {hour: size for hour, size in self._hours.items() if hour >= now - _HOURS}

    def _note(self, hours: dict[int, int]) -> None:
        content = {
            "now": int(self._ahead + time.monotonic()),
            "hours": {str(hour): size for hour, size in hours.items()},
        }
        with written_beside(self._file) as hidden:
            hidden.write_text(json.dumps(content), "ascii")
        self._noted = dict(hours)


def _read(file: Path) -> tuple[float, dict[int, int]]:
    """When it was noted, in seconds since 1970, and the bytes by hour."""
    try:
        content = json.loads(file.read_text("ascii"))
        now, hours = float(content["now"]), {int(hour): int(size) for hour, size in content["hours"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return 0.0, {}
    if not 0 <= now < 1e11 or any(size < 0 for size in hours.values()):
        return 0.0, {}
    return now, {hour: size for hour, size in hours.items() if hour <= now // 3600}
