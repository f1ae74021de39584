"""Handle Ctrl-C that TensorFlow loses: a KeyboardInterrupt in its finalizers or callbacks is ignored."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["remembered_interrupts"]


@contextmanager
def remembered_interrupts() -> Iterator[Callable[[], None]]:
    """Yield a function that raises KeyboardInterrupt if a Ctrl-C was lost during the ``with`` block."""
    old, came = signal.getsignal(signal.SIGINT), threading.Event()

    def note(number: int, frame: FrameType | None) -> None:
        came.set()
        assert callable(old)
        old(number, frame)

    def check() -> None:
        if came.is_set():
            raise KeyboardInterrupt

    if not callable(old) or threading.current_thread() is not threading.main_thread():
        yield check
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, old)
