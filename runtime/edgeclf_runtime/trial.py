"""Is a model file from elsewhere any good? Found out by a process that may crash, hang or take too much."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from edgeclf_runtime.isolation import run_isolated

__all__ = ["MEMORY", "SECONDS", "try_model"]

SECONDS = 120.0
"""That a trial may take; a slow card and a slow processor included."""

MEMORY = 4 << 30
"""Bytes of address space a trial may take; the libraries alone map about one gigabyte."""


def try_model(
    path: str | os.PathLike[str], words: Sequence[str] = (), *, seconds: float = SECONDS, memory: int = MEMORY
) -> str:
    """Load a model file, run it and compare its golden scores, where it has some, in another process.

    Nothing of a damaged or hostile file can harm the caller but the time it takes: the interpreters do not check all of
    what they read.

    Args:
        path: of the file.
        words: further options of ``edgeclf verify``, such as ``["--labels", "/full/path.txt"]``.
        seconds: it may take.
        memory: it may take, in bytes of address space, on Linux; 0 for no bound.

    Returns:
        why it is no good, in one line; empty where it is good.
    """
    full = Path(path).absolute()
    ended = run_isolated(
        "edgeclf_runtime", ["verify", "--if-any", *words, "--", str(full)], seconds=seconds, memory=memory
    )
    if ended.status == 0:
        return ""
    if ended.status is not None and ended.status > 0 and "MemoryError" not in ended.last:
        return ended.last
    bound = f", with at most {memory >> 20} MB of memory" if memory else ""
    return f"{full}: the interpreter {_short(ended.fault)} on it, tried in another process{bound}."


def _short(fault: str) -> str:
    return "runs out of memory" if "MemoryError" in fault else fault
