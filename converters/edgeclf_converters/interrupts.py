"""Ctrl-C that TensorFlow loses: raised in one of its finalizers or callbacks, a KeyboardInterrupt is ignored."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["remembered_interrupts"]


@contextmanager
def remembered_interrupts() -> Iterator[Callable[[], None]]:
    """Ctrl-C as ever while the ``with`` lasts; calling what is given raises KeyboardInterrupt for one that was lost."""
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
