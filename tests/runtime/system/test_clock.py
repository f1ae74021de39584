"""Whether a machine without a battery knows the time, and how long a service waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgeclf_runtime.system.clock import is_synchronized, wait_for_time


class Time:
    """Time that passes during sleep."""

    def __init__(self, since_boot: float) -> None:
        self.since_boot, self.slept = since_boot, 0.0

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.since_boot += seconds


def _waited(answers: Iterator[bool | None], since_boot: float = 10.0) -> tuple[str, float]:
    clock = Time(since_boot)
    last: list[bool | None] = []

    def synchronized() -> bool | None:
        last[:] = [next(answers, last[0] if last else None)]
        return last[0]

    return wait_for_time(60, synchronized, lambda: clock.since_boot, clock.sleep), clock.slept


def test_a_service_waits_until_the_clock_is_set() -> None:
    assert _waited(iter([False, False, False, True])) == ("", 3.0)
    assert _waited(iter([None])) == ("", 0.0)


def test_it_waits_a_minute_at_most_and_says_so() -> None:
    text, slept = _waited(iter([False]))
    assert slept == 60
    assert text.startswith("The clock is not set (it says 20")


def test_long_after_the_start_of_the_machine_it_does_not_wait() -> None:
    text, slept = _waited(iter([False]), since_boot=4000)
    assert (slept, "not set" in text) == (0, True)


def test_systemd_timesyncd_says_whether_it_is_set(tmp_path: Path) -> None:
    assert is_synchronized(tmp_path) is None
    folder = tmp_path / "run" / "systemd" / "timesync"
    folder.mkdir(parents=True)
    assert is_synchronized(tmp_path) is False
    (folder / "synchronized").touch()
    assert is_synchronized(tmp_path) is True
