"""A thread and a bounded queue before each sink, so that a slow one cannot stall the camera."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from edgeclf_runtime.sinks.sink import Caller, Item, Observation, Sink

__all__ = ["Outlet"]

_log = logging.getLogger(__name__)
_QUIET = 60.0  # seconds between two log lines about the same sink
_PICTURES, _OTHERS = 6, 256  # items that may wait: a frame of 1080p has 6 MB


class Outlet:
    """Hands items on to a sink.

    When too many wait, the oldest observation that is no change goes; changes and states only where there is no other.
    Of a ``Caller`` only the newest change waits, whatever the source.

    Args:
        sink: owned from now on.
        lossless: wait for room rather than drop; for sources that can wait, such as files.

    Attributes:
        failed: items, so far.
    """

    def __init__(self, sink: Sink, lossless: bool) -> None:
        self.sink, self._dropped, self.failed = sink, 0, 0
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
        """Items that the sink did not get, or gave up for newer ones, so far."""
        return self._dropped + int(getattr(self.sink, "dropped", 0))

    def put(self, item: Item) -> None:
        """Give it an item; never waits unless lossless, and then no longer than until ``end``."""
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
        """A change in the place of one that waits, also one to an answer that calls for nothing: that one is over."""
        if not isinstance(item, Observation) or not item.decision.changed:
            return
        with self._changed:
            self._drop_all()
            self._items.append(item)
            caller.superseded.set()
            self._changed.notify_all()
        self._tell_dropped(_QUIET)

    def _tell_dropped(self, quiet: float) -> None:
        """Once, unless it was told so many seconds ago and there are more."""
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
        """The next item; None at the end."""
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
        except Exception as error:  # whatever a network or a disk does, the other sinks go on
            self.failed += 1
            if time.monotonic() - self._warned_at >= _QUIET:
                self._warned_at = time.monotonic()
                text = f"{type(error).__name__}: {error}"
                _log.warning("Sink %s: %s (%d so far)", self.sink.name, text, self.failed)

    def end(self) -> None:
        """What waits is still taken, and then the sink closed; nothing more comes."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()

    def wait(self, seconds: float) -> bool:
        """For that, after ``end``; whether it is done."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def give_up(self) -> None:
        """What still waits is dropped, so that the sink is closed as soon as it is done with what it has."""
        with self._changed:
            self._drop_all()
        if self._caller is not None:
            self._caller.interrupt()
        self._tell_dropped(0.0)


def _without_picture(item: Item) -> Item:
    """The same without the frame's pixels, which would be kept as long as it waits."""
    if not isinstance(item, Observation) or item.prediction.frame is None:
        return item
    frame = replace(item.prediction.frame, pixels=np.zeros((0, 0, 3), np.uint8), jpeg=None)
    return replace(item, prediction=replace(item.prediction, frame=frame))
