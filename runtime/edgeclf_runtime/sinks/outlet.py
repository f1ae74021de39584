"""A thread and a bounded queue before each sink, so that a slow one cannot stall the camera."""

from __future__ import annotations

import logging
import queue
import threading
import time

from edgeclf_runtime.sinks.sink import Item, Sink

__all__ = ["Outlet"]

_log = logging.getLogger(__name__)
_QUIET = 60.0  # seconds between two log lines about the same sink


class Outlet:
    """Hands items on to a sink.

    Args:
        sink: owned from now on.
        lossless: wait for room rather than drop the oldest; for sources that can wait, such as files.
        size: items that may wait.

    Attributes:
        dropped, failed: items, so far.
    """

    def __init__(self, sink: Sink, lossless: bool, size: int = 64) -> None:
        self.sink, self.dropped, self.failed = sink, 0, 0
        self._lossless, self._said = lossless, -_QUIET
        self._items: queue.Queue[Item | None] = queue.Queue(size)
        self._thread = threading.Thread(target=self._work, name=f"sink {sink.name}", daemon=True)
        self._thread.start()

    def put(self, item: Item) -> None:
        """Give it an item; never waits unless lossless."""
        if self._lossless:
            return self._items.put(item)
        while True:
            try:
                return self._items.put_nowait(item)
            except queue.Full:
                try:
                    self._items.get_nowait()
                    self.dropped += 1
                except queue.Empty:
                    pass

    def _work(self) -> None:
        while True:
            item = self._items.get()
            if item is None:
                break
            try:
                self.sink.take(item)
            except Exception as error:  # whatever a network or a disk does, the others go on
                self.failed += 1
                if time.monotonic() - self._said >= _QUIET:
                    self._said = time.monotonic()
                    _log.warning(
                        "Sink %s: %s: %s (%d so far)", self.sink.name, type(error).__name__, error, self.failed
                    )
        try:
            self.sink.close()
        except Exception as error:
            _log.warning("Sink %s: closing: %s", self.sink.name, error)

    def close(self, seconds: float) -> bool:
        """Let it finish what waits, for so long at most; whether it did."""
        try:
            self._items.put(None, timeout=seconds)
        except queue.Full:
            return False
        self._thread.join(seconds)
        return not self._thread.is_alive()
