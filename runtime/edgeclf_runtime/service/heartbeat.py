"""Whether a pipeline goes on, told to systemd, which starts the process anew when it hears nothing.

What ends the telling, and so the process, after ``WatchdogSec=``:

- one frame is worked on for longer than ``_LONGEST``: a driver or an interpreter hangs;
- the thread that reads a live source was not heard of for longer than its patience, a minute: every wait, read and
  attempt to open has a time-out below that, so that a device's driver hangs, and another process may free it;
- this thread itself gets no turn: something hangs that holds the interpreter's lock.

What does not: a camera that is lost, silent or frozen while it is tried again and again, however long; a folder into
which no image comes; a still scene that the gate skips; a slow sink, which has its own time-outs and thread. A new
process would do no better there, and would lose what the sinks still hold.
"""

from __future__ import annotations

import logging
import threading
import time

from edgeclf_runtime.pipeline.pipeline import Pipeline
from edgeclf_runtime.service.notifier import Notifier
from edgeclf_runtime.sources.live import LiveSource

__all__ = ["Heartbeat"]

_log = logging.getLogger(__name__)
_LONGEST = 10.0  # seconds for one frame
_OFTEN = 4  # times within the watchdog's time
_REPORT_EVERY = 10.0  # seconds between two lines of status


class Heartbeat:
    """A thread that tells; begun by ``start``, ended by ``close``; none where nobody listens.

    Args:
        notifier: whom to tell.
        pipeline: of what.
    """

    def __init__(self, notifier: Notifier, pipeline: Pipeline) -> None:
        self._notifier, self._pipeline = notifier, pipeline
        self._pause = min(_REPORT_EVERY, notifier.watchdog / _OFTEN or _REPORT_EVERY)
        self._reported_at, self._counted = 0.0, 0
        self._thread = threading.Thread(target=self._work, name="heartbeat", daemon=True)

    def start(self, source: str) -> None:
        """The source is open, or is being waited for."""
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
                _log.warning("No longer telling systemd that all is well: %s", trouble)
            before = trouble
            if time.monotonic() - self._reported_at >= _REPORT_EVERY:
                self._notifier.status(self._status())
        self._notifier.stopping()

    def trouble(self) -> str:
        """Why the process should be started anew; empty while it goes on."""
        working = self._pipeline.working
        if working > _LONGEST:
            return f"one frame has taken {working:.0f} s"
        source = self._pipeline.source
        if isinstance(source, LiveSource) and source.hangs:
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
        """The pipeline has ended."""
        self._pipeline.stopping.set()
        if self._thread.is_alive():
            self._thread.join(2)
