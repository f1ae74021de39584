"""Lines that a library's native code writes to standard error and that say nothing to whoever reads them."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

__all__ = ["without_codec_lines", "without_delegate_lines"]

_DELEGATE = re.compile(rb"(INFO: )?(Created TensorFlow Lite XNNPACK delegate|Initialized TensorFlow Lite runtime)")
_CODEC = re.compile(
    rb"libpng (warning|error): |Corrupt JPEG data: |Premature end of JPEG|Invalid SOS parameters"
    rb"|Inconsistent progression|Unsupported marker type|Application transferred too"
    rb"|TIFF\w*: |\w*TIFF\w*: Warning|\[ ?(WARN|ERROR|INFO):\d+@"
)
_one = threading.RLock()  # standard error is the whole process's


def without_delegate_lines() -> AbstractContextManager[None]:
    """While an interpreter is made: that it has its usual delegate is not shown; all else is, a moment later."""
    return _without(_DELEGATE)


def without_codec_lines() -> AbstractContextManager[None]:
    """While files are decoded: what libpng, libjpeg and libtiff find odd in them is not shown; all else is, later.

    A file that cannot be read is an error of ours.
    """
    return _without(_CODEC)


@contextmanager
def _without(noise: re.Pattern[bytes]) -> Iterator[None]:
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
                rest = b"".join(line for line in lines if not noise.match(line))
            if rest:
                os.write(2, rest)
