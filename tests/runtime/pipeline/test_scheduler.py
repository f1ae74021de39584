"""Zones share the processor fairly."""

from __future__ import annotations

import threading
import time

import pytest

from edgeclf_runtime.commands.zones import frames_at_once
from edgeclf_runtime.pipeline.scheduler import Device, Scheduler


class _Turn:
    """Always ready; takes some time."""

    def __init__(self, device: Device, seconds: float, enough: threading.Event) -> None:
        self.device, self._seconds, self._enough = device, seconds, enough
        self.count, self.at_once = 0, 0

    def is_ready(self, now: float) -> bool:
        return not self._enough.is_set()

    def run(self) -> None:
        time.sleep(self._seconds)
        self.count += 1
        if self.count == 100:
            self._enough.set()


def _ran(seconds: list[float], cores: int = 1) -> list[int]:
    enough = threading.Event()
    turns = [_Turn(Device(cores, True), each, enough) for each in seconds]
    scheduler = Scheduler(turns, cores)
    scheduler.start()
    assert enough.wait(60)
    scheduler.close(5)
    return [turn.count for turn in turns]


def test_equal_zones_get_equal_turns() -> None:
    counts = _ran([0.002] * 6)
    assert min(counts) >= 0.8 * max(counts), counts


def test_a_large_model_gets_the_time_of_the_others_and_no_more() -> None:
    small, large, other = _ran([0.002, 0.04, 0.002])
    assert 1 <= large <= 20
    assert min(small, other) >= 0.8 * max(small, other)


def test_a_device_that_hangs_stops_its_own_zones_only() -> None:
    enough, released = threading.Event(), threading.Event()

    class Hanging(_Turn):
        def run(self) -> None:
            released.wait(60)

    tpu = Device(1, on_cores=False)
    turns = [Hanging(tpu, 0, enough), Hanging(tpu, 0, enough), _Turn(Device(1, True), 0.001, enough)]
    scheduler = Scheduler(turns, 1)
    scheduler.start()
    assert enough.wait(60)
    assert tpu.running == 1
    assert scheduler.longest > 0
    released.set()
    scheduler.close(5)


def test_turns_come_and_go_while_others_go_on() -> None:
    enough, tpu = threading.Event(), Device(1, on_cores=False)
    first, second = _Turn(Device(1, True), 0.001, enough), _Turn(Device(1, True), 0.001, enough)
    scheduler = Scheduler([first, second], 1)
    scheduler.start()
    late = _Turn(tpu, 0.001, threading.Event())
    with scheduler.changed:
        scheduler.remove(second)
        gone = second.count
        scheduler.add(late)
        assert scheduler.changed.wait_for(lambda: late.count >= 3, 30)
    assert enough.wait(60)  # the first one continued
    assert second.count == gone
    with scheduler.changed:
        scheduler.remove(late)
        assert scheduler.is_idle
    scheduler.close(5)


@pytest.mark.parametrize(("interpreters", "cores", "at_once"), [(None, 1, 1), (None, 4, 5), (2, 4, 2), (1, 1, 1)])
def test_by_default_a_thread_more_than_cores_works(interpreters: int | None, cores: int, at_once: int) -> None:
    assert frames_at_once(interpreters, cores) == at_once


def test_who_waits_for_the_end_is_woken_by_it_and_not_by_each_turn() -> None:
    enough = threading.Event()
    turns = [_Turn(Device(2, True), 0.001, enough) for _ in range(2)]
    scheduler = Scheduler(turns, 2)
    woken = 0
    with scheduler.changed:
        scheduler.start()
        while not enough.is_set() or not scheduler.is_idle:
            assert scheduler.rested.wait(60)
            woken += 1
    scheduler.close(5)
    assert woken < min(turn.count for turn in turns)


def test_an_error_ends_the_turns() -> None:
    class Failing(_Turn):
        def run(self) -> None:
            raise ValueError("broken")

    scheduler = Scheduler([Failing(Device(1, True), 0, threading.Event())], 1)
    scheduler.start()
    with scheduler.changed:
        assert scheduler.changed.wait_for(lambda: scheduler.error is not None, 30)
    scheduler.close(5)
    with pytest.raises(ValueError, match="broken"):
        raise scheduler.error
