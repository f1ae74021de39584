"""End a run cleanly on SIGTERM and Ctrl-C, and in time even if something hangs."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from edgeclf_runtime.system.process_group import kill_all

if TYPE_CHECKING:
    from edgeclf_runtime.pipeline.watched import Watched

__all__ = ["ended_by_signals"]

_log = logging.getLogger(__name__)
_WITHIN = 1.8  # seconds; the pipeline itself takes up to 1.4


@contextmanager
def ended_by_signals(pipeline: Watched) -> Iterator[None]:
    """Stop the pipeline on SIGTERM, and end the process within two seconds after SIGTERM or Ctrl-C.

    A thread receives the signals through a socket: a Python handler would have to wait for the main thread, which may
    hang in a driver or be opening a stream, and it might interrupt code that holds a lock.
    """
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    over = threading.Event()
    threading.Thread(target=_listen, args=(reading, pipeline, over), name="signals", daemon=True).start()
    handler = signal.signal(signal.SIGTERM, lambda *_: None)
    descriptor = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        kill_all()
        over.set()
        signal.set_wakeup_fd(descriptor)
        signal.signal(signal.SIGTERM, handler)
        writing.close()


def _listen(reading: socket.socket, pipeline: Watched, over: threading.Event) -> None:
    with reading:
        while heard := reading.recv(1):
            number, until = heard[0], time.monotonic() + _WITHIN
            if number not in (signal.SIGTERM, signal.SIGINT):
                continue
            if number == signal.SIGTERM:  # Ctrl-C also raises an exception in the main thread
                # In a thread, because it closes the source, which may wait for a hanging read.
                threading.Thread(target=pipeline.stop, name="stop", daemon=True).start()
            if not over.wait(max(0.0, until - time.monotonic())):
                _log.warning("The source or the interpreter does not stop; exiting without waiting for it.")
                kill_all()
                os._exit(0 if number == signal.SIGTERM else 130)
