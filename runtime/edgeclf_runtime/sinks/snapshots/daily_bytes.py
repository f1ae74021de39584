"""Limit the bytes written per day, also across restarts."""

from __future__ import annotations

import json
import time
from pathlib import Path

from edgeclf_runtime.system.atomic_file import written_beside

__all__ = ["DailyBytes"]

_HOURS = 24
_ADVANCE = 64  # 1/64 of the limit is recorded in advance, so that the record is seldom updated
_SMALL = 1024  # less than 1/1024 of the limit is not worth an update


class DailyBytes:
    """A limit that holds in any 24 hours, counted per hour, whatever the clock does.

    Time is measured from the start of the machine, added to the last recorded time: setting the clock, or a clock that
    starts in 1970, has no effect on the count. Bytes that may have been written before a power cut count as written.

    Args:
        file: record of the bytes written; ignored if damaged.
        limit: limit in bytes; 0 for no limit.
    """

    def __init__(self, file: Path, limit: int) -> None:
        self._file, self._limit = file, limit
        noted, self._hours = _read(file)
        self._ahead = max(noted, time.time()) - time.monotonic()
        self._noted = dict(self._hours)

    def allows(self, size: int) -> bool:
        """Whether ``size`` more bytes are within the limit."""
        return not self._limit or sum(self._recent().values()) + size <= self._limit

    def add(self, size: int) -> None:
        """Count ``size`` bytes that are about to be written.

        Raises:
            OSError: the record cannot be written.
        """
        if not self._limit:
            return
        hour = self._hour()
        self._hours = self._recent()
        self._hours[hour] = self._hours.get(hour, 0) + size
        if self._hours[hour] - self._noted.get(hour, 0) > self._limit // _SMALL:
            self._note({**self._hours, hour: self._hours[hour] + self._limit // _ADVANCE})

    def close(self) -> None:
        """Record the exact number of bytes written."""
        if abs(sum(self._noted.values()) - sum(self._hours.values())) > self._limit // _SMALL:
            self._note(self._hours)

    def _hour(self) -> int:
        return int((self._ahead + time.monotonic()) // 3600)

    def _recent(self) -> dict[int, int]:
        """Return the bytes by hour, for the last 24 hours and the current one."""
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
    """Read the time of the record, in seconds since 1970, and the bytes by hour."""
    try:
        content = json.loads(file.read_text("ascii"))
        now, hours = float(content["now"]), {int(hour): int(size) for hour, size in content["hours"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return 0.0, {}
    if not 0 <= now < 1e11 or any(size < 0 for size in hours.values()):
        return 0.0, {}
    return now, {hour: size for hour, size in hours.items() if hour <= now // 3600}
