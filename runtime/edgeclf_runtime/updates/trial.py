"""Try a model file in another process, which may crash, hang or run out of memory."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path

from edgeclf_runtime.system.isolation import run_isolated

__all__ = ["MEMORY", "SECONDS", "try_model"]

SECONDS = 120.0
"""Time-out of a trial in seconds, enough for a slow memory card and processor."""

MEMORY = 4 << 30
"""Limit of a trial's address space in bytes; the libraries alone map about one gigabyte."""


def try_model(
    path: str | os.PathLike[str],
    words: Sequence[str] = (),
    *,
    seconds: float = SECONDS,
    memory: int = MEMORY,
    nice: int = 0,
    cancelled: threading.Event | None = None,
) -> str:
    """Load a model file, run it and compare its golden scores, if it has any, in another process.

    Interpreters do not check everything that they read: a damaged file can crash or hang them, but only in the other
    process, not in the caller. That process has the user's permissions; it is not a sandbox.

    Args:
        path: of the file.
        words: further options of ``edgeclf verify``, such as ``["--labels", "/full/path.txt"]``.
        seconds: time-out.
        memory: limit of its address space in bytes, on Linux; 0 for no limit.
        nice, cancelled: see ``isolation.run_isolated``.

    Returns:
        Why the file fails, in one line; empty if it works.
    """
    full = Path(path).absolute()
    what = ["verify", "--allow-no-golden", *words, "--", str(full)]
    ended = run_isolated("edgeclf_runtime", what, seconds=seconds, memory=memory, nice=nice, cancelled=cancelled)
    if ended.status == 0:
        return ""
    if ended.status is not None and ended.status > 0 and "MemoryError" not in ended.last:
        return ended.last
    bound = f", with at most {memory >> 20} MB of memory" if memory else ""
    return f"{full}: the interpreter {_short(ended.fault)} when the file is tested in another process{bound}."


def _short(fault: str) -> str:
    return "runs out of memory" if "MemoryError" in fault else fault
