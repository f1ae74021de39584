"""Hide lines that native code of libraries writes to standard error and that do not help the reader."""

from __future__ import annotations

import io
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

__all__ = ["filtered_codec_lines", "unfiltered", "without_codec_lines", "without_delegate_lines"]

_DELEGATE = re.compile(rb"(INFO: )?(Created TensorFlow Lite XNNPACK delegate|Initialized TensorFlow Lite runtime)")
_CODEC = re.compile(
    rb"libpng (warning|error): |Corrupt JPEG data: |Premature end of JPEG|Invalid SOS parameters"
    rb"|Inconsistent progression|Unsupported marker type|Application transferred too"
    rb"|\[[\w,]+ @ 0x[0-9a-f]+\] "  # FFmpeg
    rb"|TIFF\w*: |\w*TIFF\w*: Warning|\[ ?(WARN|ERROR|INFO):\d+@"
)
_one = threading.RLock()  # the whole process shares standard error
_unfiltered: int | None = None


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


@contextmanager
def filtered_codec_lines() -> Iterator[None]:
    """Hide the lines of ``without_codec_lines`` during a long run; other lines appear at once.

    A thread filters what native code writes. Python writes past the filter, so that it loses nothing in a crash and
    ``isatty`` stays true. Without effect unless ``sys.stderr`` is the process's standard error.
    """
    global _unfiltered
    python = sys.stderr
    if _unfiltered is not None or not _is_standard_error(python):
        yield
        return
    assert isinstance(python, io.TextIOWrapper)
    python.flush()
    kept = os.dup(2)  # never closed: faulthandler may go on writing to it
    reading, writing = os.pipe()
    os.dup2(writing, 2)
    os.close(writing)
    filtering = threading.Thread(target=_filter, args=(reading, kept), name="native lines", daemon=True)
    filtering.start()
    _unfiltered = kept
    binary = io.FileIO(kept, "w", closefd=False)
    sys.stderr = io.TextIOWrapper(io.BufferedWriter(binary), python.encoding, python.errors, line_buffering=True)
    try:
        yield
    finally:
        sys.stderr.flush()
        sys.stderr, _unfiltered = python, None
        os.dup2(kept, 2)
        filtering.join(1)  # a process that a library started may still hold the pipe


def _is_standard_error(stream: object) -> bool:
    try:
        return isinstance(stream, io.TextIOWrapper) and not stream.closed and stream.fileno() == 2
    except OSError:  # a stream in memory
        return False


def unfiltered() -> int | None:
    """Return the descriptor of standard error for a new process within ``filtered_codec_lines``, else None."""
    return _unfiltered


def _filter(reading: int, kept: int) -> None:
    with os.fdopen(reading, "rb") as lines:
        for line in lines:
            if not _CODEC.match(line):
                try:
                    os.write(kept, line)
                except OSError:  # nobody reads it; go on, or native code would wait for space in the pipe
                    continue
