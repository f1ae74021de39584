"""Share the processor and the Edge TPUs among zones: the one that has used the least time so far is next."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Protocol

__all__ = ["Device", "Scheduler", "Turn"]

_PATIENCE = 2.0  # seconds to wait for a removed turn, whose device may hang


class Device:
    """What limits the number of concurrent turns: the interpreters of a model, and the cores if they run on them.

    Args:
        lanes: maximum number of concurrent turns.
        on_cores: whether it uses the processor, which all such devices share.
    """

    def __init__(self, lanes: int, on_cores: bool) -> None:
        self.lanes, self.on_cores, self.running = lanes, on_cores, 0


class Turn(Protocol):
    """A zone's work, one frame at a time.

    Attributes:
        device: the device that it runs on.
    """

    device: Device

    def is_ready(self, now: float) -> bool:
        """Return whether there is something to do at ``now``, in seconds of ``time.monotonic()``; must be quick."""

    def run(self) -> None:
        """Process one frame; an error ends the scheduler."""


class Scheduler:
    """Runs turns in threads, each turn in one thread at a time.

    Shares are shares of time, as in Linux's completely fair scheduler: of the turns that are ready, the one with the
    least running time is next, so a large model gets fewer turns and delays the others by at most one of its own. An
    idle turn does not accumulate time.

    Args:
        turns: the initial turns.
        cores: maximum number of concurrent turns on the processor.

    Attributes:
        changed: the lock; notified when a turn becomes ready or ends.
        rested: the same lock; notified when no turn is running any more, after an error, and by ``wake``.
        error: the error raised by a turn; None if there was none.
    """

    def __init__(self, turns: Sequence[Turn], cores: int) -> None:
        self._turns, self._cores = dict(enumerate(turns)), cores
        self._added = len(turns)  # so far, including removed ones
        self._used = dict.fromkeys(self._turns, 0.0)  # seconds
        self._began: dict[int, float] = {}  # of the running turns
        self._waiting: set[int] = set()  # turns that were ready when last looked at
        self._clock, self._on_cores = 0.0, 0
        lock = threading.RLock()
        # The thread that waits for the end is not woken for each turn.
        self.changed, self.rested = threading.Condition(lock), threading.Condition(lock)
        self._closing = False
        self.error: BaseException | None = None
        self._threads: list[threading.Thread] = []
        self._served: set[Device] = set()  # devices with threads of their own

    def start(self) -> None:
        """Start the threads."""
        self._start(self._cores)
        for turn in self._turns.values():
            self._serve(turn.device)

    def _serve(self, device: Device) -> None:
        if not device.on_cores and device not in self._served:
            self._served.add(device)
            self._start(device.lanes)

    def _start(self, count: int) -> None:
        threads = [threading.Thread(target=self._work, name="zones", daemon=True) for _ in range(count)]
        self._threads += threads
        for thread in threads:
            thread.start()

    def wake(self) -> None:
        """Announce that a turn may have become ready, or that all should end."""
        with self.changed:
            self.changed.notify_all()
            self.rested.notify_all()

    def add(self, turn: Turn) -> None:
        """Add another turn; call it with ``changed`` held."""
        self._turns[self._added], self._used[self._added] = turn, self._clock
        self._added += 1
        self._serve(turn.device)
        self.changed.notify_all()

    def remove(self, turn: Turn) -> None:
        """Remove a turn, and wait for it if it is running; call it with ``changed`` held."""
        number = next(number for number, other in self._turns.items() if other is turn)
        del self._turns[number]
        self._waiting.discard(number)
        self.changed.wait_for(lambda: number not in self._began, _PATIENCE)

    @property
    def is_idle(self) -> bool:
        """Return whether no turn is running or ready; call it with ``changed`` held."""
        return not self._began and not any(turn.is_ready(float("inf")) for turn in self._turns.values())

    @property
    def longest(self) -> float:
        """Return how long, in seconds, the longest of the running turns has taken so far; 0 if none is running."""
        return max((time.monotonic() - began for began in list(self._began.values())), default=0.0)

    def _work(self) -> None:
        while True:
            with self.changed:
                while (number := self._next()) is None:
                    if self._closing:
                        return
                    self.changed.wait(0.05 if self._waits_for_time() else 1.0)
                turn = self._turns[number]
                self._begin(number, turn.device)
            try:
                turn.run()
            except BaseException as error:  # raised again by the owner
                self.error = self.error or error
            with self.changed:
                self._end(number, turn.device)

    def _begin(self, number: int, device: Device) -> None:
        self._clock = max(self._clock, self._used[number])
        self._began[number] = time.monotonic()
        self._waiting.discard(number)
        device.running += 1
        self._on_cores += device.on_cores

    def _end(self, number: int, device: Device) -> None:
        self._used[number] += time.monotonic() - self._began.pop(number)
        device.running -= 1
        self._on_cores -= device.on_cores
        self.changed.notify_all()
        if not self._began or self.error is not None:
            self.rested.notify_all()

    def _next(self) -> int | None:
        """Return the number of the turn to run; None if none can run now, or at the end."""
        if self._closing or self.error is not None:
            return None
        now = time.monotonic()
        ready = {n for n, turn in self._turns.items() if n not in self._began and turn.is_ready(now)}
        for number in ready - self._waiting:
            self._used[number] = max(self._used[number], self._clock)
        self._waiting = ready
        free = [number for number in ready if self._has_room(self._turns[number].device)]
        return min(free, key=lambda number: (self._used[number], number), default=None)

    def _has_room(self, device: Device) -> bool:
        return device.running < device.lanes and (not device.on_cores or self._on_cores < self._cores)

    def _waits_for_time(self) -> bool:
        return any(n not in self._began and turn.is_ready(float("inf")) for n, turn in self._turns.items())

    def close(self, seconds: float = 1.0) -> None:
        """Start no more turns, and wait for running ones."""
        with self.changed:
            self._closing = True
            self.changed.notify_all()
        until = time.monotonic() + seconds
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, until - time.monotonic()))
