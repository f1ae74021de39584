"""The memory of a process that runs for months."""

from __future__ import annotations

import subprocess
import sys

import pytest

from edgeclf_runtime.system.memory import share_heaps

MANY = """
import ctypes, sys, threading
from edgeclf_runtime.system.memory import share_heaps
if sys.argv[1:]:
    assert share_heaps()
malloc, together = ctypes.CDLL(None).malloc, threading.Barrier(12)
def work():
    together.wait()
    for _ in range(2000):
        malloc(1000)
threads = [threading.Thread(target=work) for _ in range(12)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
ctypes.CDLL(None).malloc_stats()
"""


def _arenas(*words: str) -> int:
    done = subprocess.run([sys.executable, "-c", MANY, *words], capture_output=True, text=True, check=True)
    return done.stderr.count("Arena ")


def test_threads_share_two_heaps() -> None:
    if not share_heaps():
        pytest.skip("this C library has no mallopt")
    assert _arenas("shared") <= 2 < _arenas()
