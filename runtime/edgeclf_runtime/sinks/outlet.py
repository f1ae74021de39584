"""Run each sink in its own thread with a bounded queue, so that a slow sink cannot stall the camera."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from edgeclf_runtime.sinks.sink import NO_ZONE, Caller, Item, Observation, Sink, ZoneName

__all__ = ["Outlet"]

_log = logging.getLogger(__name__)
_QUIET = 60.0  # seconds between two log lines about the same sink
_PICTURES, _OTHERS = 6, 256  # queue lengths with and without pixels: a 1080p frame has 6 MB


class Outlet:
    """Passes items to a sink.

    If the queue is full, the oldest observation without a change of the answer is dropped; changes and states are
    dropped only if there is nothing else. For a ``Caller`` only the newest change waits, whatever the source.

    Args:
        sink: the sink, owned by this object.
        lossless: wait for room instead of dropping; for sources that can wait, such as files.
        zone: the zone of the sink; empty for a shared sink, and in a run without zones.

    Attributes:
        failed: number of items so far for which the sink raised an error.
    """

    def __init__(self, sink: Sink, lossless: bool, zone: ZoneName = NO_ZONE) -> None:
        self.sink, self.zone, self._dropped, self.failed = sink, zone, 0, 0
        self._lossless, self._warned_at = lossless, -_QUIET
        self._reported, self._reported_at = 0, -_QUIET
        self._caller, self._resting = sink if isinstance(sink, Caller) else None, 0.0
        self._size = _PICTURES if sink.pictures else _OTHERS
        self._items: deque[Item] = deque()
        self._changed, self._ending = threading.Condition(), False
        self._thread = threading.Thread(target=self._work, name=f"sink {sink.name}", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Number of items so far that were dropped here or replaced by newer ones in the sink."""
        return self._dropped + int(getattr(self.sink, "dropped", 0))

    def put(self, item: Item) -> None:
        """Queue an item; never blocks unless lossless, and then at most until ``release`` or ``end``."""
        item = item if self.sink.pictures else _without_picture(item)
        if self._caller is not None:
            return self._replace(self._caller, item)
        with self._changed:
            while self._lossless and len(self._items) >= self._size and not self._ending:
                self._changed.wait(0.5)
            if len(self._items) >= self._size:
                self._drop()
            self._items.append(item)
            self._changed.notify_all()
        self._tell_dropped(_QUIET)

    def _drop_all(self) -> None:
        caller = self._caller
        self._dropped += len(self._items) if caller is None else sum(map(caller.heeds, self._items))
        self._items.clear()

    def _replace(self, caller: Caller, item: Item) -> None:
        """Replace a waiting change by a newer one, even if the newer answer triggers no call: the old one is over."""
        if not isinstance(item, Observation) or not item.decision.changed:
            return
        with self._changed:
            self._drop_all()
            self._items.append(item)
            caller.superseded.set()
            self._changed.notify_all()
        self._tell_dropped(_QUIET)

    def _tell_dropped(self, quiet: float) -> None:
        """Log the number of dropped items, at most every ``quiet`` seconds and only if it has grown."""
        dropped, now = self.dropped, time.monotonic()
        if dropped > self._reported and now - self._reported_at >= quiet:
            self._reported, self._reported_at = dropped, now
            _log.warning("Sink %s: not ready in time, %d dropped so far.", self.sink.name, dropped)

    def _drop(self) -> None:
        plain = (i for i, item in enumerate(self._items) if isinstance(item, Observation) and not item.decision.changed)
        del self._items[next(plain, 0)]
        self._dropped += 1

    def _work(self) -> None:
        while (item := self._next()) is not None:
            self._guarded(functools.partial(self.sink.take, item))
            if self._caller is not None and self._caller.heeds(item):
                self._resting = time.monotonic() + self._caller.cooldown
        self._tell_dropped(0.0)
        self._guarded(self.sink.close)

    def _next(self) -> Item | None:
        """Wait for the next item; None at the end."""
        with self._changed:
            while not self._items or self._resting > time.monotonic():
                if self._ending:
                    self._drop_all()
                    return None
                self._changed.wait(max(0.0, self._resting - time.monotonic()) if self._items else None)
            if self._caller is not None:
                self._caller.superseded.clear()
            self._changed.notify_all()
            return self._items.popleft()

    def _guarded(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:  # the other sinks continue, whatever a network or a disk raises
            self.failed += 1
            if time.monotonic() - self._warned_at >= _QUIET:
                self._warned_at = time.monotonic()
                text = f"{type(error).__name__}: {error}"
                _log.warning("Sink %s: %s (%d so far)", self.sink.name, text, self.failed)

    def release(self) -> None:
        """Let ``put`` drop items from now on instead of waiting for the sink."""
        with self._changed:
            self._lossless = False
            self._changed.notify_all()

    def end(self) -> None:
        """Accept no more items; the sink processes the waiting ones and is then closed."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()

    def wait(self, seconds: float) -> bool:
        """Wait until the sink is closed, after ``end``; return whether it is."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def give_up(self) -> None:
        """Drop all waiting items, so that the sink is closed after its current item."""
        with self._changed:
            self._drop_all()
        if self._caller is not None:
            self._caller.interrupt()
        self._tell_dropped(0.0)


def _without_picture(item: Item) -> Item:
    """Return an item without the frame's pixels, to free their memory while it waits."""
    if not isinstance(item, Observation) or item.prediction.frame is None:
        return item
    frame = replace(item.prediction.frame, pixels=np.zeros((0, 0, 3), np.uint8), jpeg=None, unturned=None)
    return replace(item, prediction=replace(item.prediction, frame=frame))
