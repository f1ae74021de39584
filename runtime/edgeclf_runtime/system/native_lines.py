"""Lines that a library's native code writes to standard error and that say nothing to whoever reads them."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["without_delegate_lines"]

_NOISE = re.compile(rb"(INFO: )?(Created TensorFlow Lite XNNPACK delegate|Initialized TensorFlow Lite runtime)")
_one = threading.Lock()  # standard error is the whole process's


@contextmanager
def without_delegate_lines() -> Iterator[None]:
    """While an interpreter is made: that it has its usual delegate is not shown; all else is, a moment later."""
    with _one:
        try:
            kept, held = os.dup(2), os.memfd_create("stderr")
        except (OSError, AttributeError):  # standard error is closed; no Linux
            yield
            return
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(held, 2)
        try:
            yield
        finally:
            if sys.stderr is not None:
                sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            os.lseek(held, 0, os.SEEK_SET)
            with os.fdopen(held, "rb") as lines:
                rest = b"".join(line for line in lines if not _NOISE.match(line))
            if rest:
                os.write(2, rest)
