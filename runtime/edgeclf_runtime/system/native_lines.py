"""Hide lines that native code of libraries writes to standard error and that do not help the reader."""

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
_one = threading.RLock()  # the whole process shares standard error


def without_delegate_lines() -> AbstractContextManager[None]:
    """Hide the notice of the default delegate while an interpreter is created; other lines appear afterwards."""
    return _without(_DELEGATE)


def without_codec_lines() -> AbstractContextManager[None]:
    """Hide warnings of libpng, libjpeg and libtiff while files are decoded; other lines appear afterwards.

    A file that cannot be read raises an error of this package anyway.
    """
    return _without(_CODEC)


@contextmanager
def _without(noise: re.Pattern[bytes]) -> Iterator[None]:
    with _one:
        try:
            kept, held = os.dup(2), os.memfd_create("stderr")
        except (OSError, AttributeError):  # standard error is closed, or this is not Linux
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
