"""Is a model file from elsewhere any good? Found out by a process that may crash, hang or take too much."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path

from edgeclf_runtime.system.isolation import run_isolated

__all__ = ["MEMORY", "SECONDS", "try_model"]

SECONDS = 120.0
"""That a trial may take; a slow card and a slow processor included."""

MEMORY = 4 << 30
"""Bytes of address space a trial may take; the libraries alone map about one gigabyte."""


def try_model(
    path: str | os.PathLike[str],
    words: Sequence[str] = (),
    *,
    seconds: float = SECONDS,
    memory: int = MEMORY,
    nice: int = 0,
    cancelled: threading.Event | None = None,
) -> str:
    """Load a model file, run it and compare its golden scores, where it has some, in another process.

    The interpreters do not check all of what they read: a damaged file can crash or hang them, and takes the other
    process with it, not the caller. That process has the user's rights all the same; it is no sandbox.

    Args:
        path: of the file.
        words: further options of ``edgeclf verify``, such as ``["--labels", "/full/path.txt"]``.
        seconds: it may take.
        memory: it may take, in bytes of address space, on Linux; 0 for no bound.
        nice, cancelled: see ``isolation.run_isolated``.

    Returns:
        why it is no good, in one line; empty where it is good.
    """
    full = Path(path).absolute()
    what = ["verify", "--allow-no-golden", *words, "--", str(full)]
    ended = run_isolated("edgeclf_runtime", what, seconds=seconds, memory=memory, nice=nice, cancelled=cancelled)
    if ended.status == 0:
        return ""
    if ended.status is not None and ended.status > 0 and "MemoryError" not in ended.last:
        return ended.last
    bound = f", with at most {memory >> 20} MB of memory" if memory else ""
    return f"{full}: the interpreter {_short(ended.fault)} on it, tried in another process{bound}."


def _short(fault: str) -> str:
    return "runs out of memory" if "MemoryError" in fault else fault
