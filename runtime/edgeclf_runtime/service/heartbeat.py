"""Send watchdog messages to systemd while the pipeline works; without them systemd restarts the process.

These faults stop the messages, and after ``WatchdogSec=`` the process:

- a frame takes longer than ``_LONGEST``: a driver or an interpreter hangs;
- the thread that reads a live source gives no sign of life for longer than its patience of a minute: every wait, read
  and attempt to open has a shorter time-out, so the driver hangs, and a new process may free the device;
- this thread does not run: something hangs while it holds Python's global lock.

These do not: a camera that is lost, silent or frozen while it is being reopened, however long; a folder without new
images; a still scene that the gate skips; a slow sink, which has its own time-outs and thread. A new process would not
help there, and would lose what the sinks still hold.
"""

from __future__ import annotations

import logging
import threading
import time

from edgeclf_runtime.pipeline.watched import Watched
from edgeclf_runtime.service.notifier import Notifier

__all__ = ["Heartbeat"]

_log = logging.getLogger(__name__)
_LONGEST = 10.0  # maximum time for one frame in seconds
_OFTEN = 4  # messages within the watchdog's time-out
_REPORT_EVERY = 10.0  # seconds between two lines of status


class Heartbeat:
    """A thread that sends the messages, from ``start`` to ``close``; does nothing outside a service.

    Args:
        notifier: sends the messages.
        pipeline: the pipeline to watch.
    """

    def __init__(self, notifier: Notifier, pipeline: Watched) -> None:
        self._notifier, self._pipeline = notifier, pipeline
        self._pause = min(_REPORT_EVERY, notifier.watchdog / _OFTEN or _REPORT_EVERY)
        self._reported_at, self._counted = 0.0, 0
        self._thread = threading.Thread(target=self._work, name="heartbeat", daemon=True)

    def start(self, source: str) -> None:
        """Report that the source is open, or is being waited for, and start the thread."""
        if not self._notifier.wanted:
            return
        self._reported_at = time.monotonic()
        self._notifier.ready(f"Started, source {source}")
        self._thread.start()

    def _work(self) -> None:
        before = ""
        while not self._pipeline.stopping.wait(self._pause):
            trouble = self.trouble()
            if not trouble:
                self._notifier.alive()
            elif not before:
                _log.warning("No longer sending watchdog messages to systemd: %s", trouble)
            before = trouble
            if time.monotonic() - self._reported_at >= _REPORT_EVERY:
                self._notifier.status(self._status())
        self._notifier.stopping()

    def trouble(self) -> str:
        """Return why the process should be restarted; empty while it works."""
        working = self._pipeline.working
        if working > _LONGEST:
            return f"one frame has taken {working:.0f} s"
        if getattr(self._pipeline.source, "hangs", False):
            return "the source hangs"
        return ""

    def _status(self) -> str:
        now, frames = time.monotonic(), self._pipeline.frames
        rate = (frames - self._counted) / (now - self._reported_at)
        self._reported_at, self._counted = now, frames
        answer, state = self._pipeline.answer, self._pipeline.state
        parts = [f"{answer.label} {answer.score:.0%}" if answer else "no answer yet"]
        parts += [f"{rate:.1f} frames/s, {frames} so far"]
        parts += [f"source {state.name}" if state is not None else ""]
        parts += [self.trouble()]
        return "; ".join(filter(None, parts))

    def close(self) -> None:
        """Stop, because the pipeline has ended."""
        self._pipeline.stopping.set()
        if self._thread.is_alive():
            self._thread.join(2)
