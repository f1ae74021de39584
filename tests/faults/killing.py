"""Kill processes at random moments."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

__all__ = ["EDGECLF", "ROUNDS", "Killer"]

ROUNDS = int(os.environ.get("EDGECLF_ROUNDS", "50"))
EDGECLF = [sys.executable, "-m", "edgeclf_runtime"]


class Killer:
    """Ends commands with SIGKILL, their whole process group, at moments spread evenly over their duration.

    Args:
        log: log file of their output.
        seed: random seed of the moments.

    Attributes:
        killed: number of processes killed; the others had ended before.
    """

    def __init__(self, log: Path, seed: int) -> None:
        self._log, self._random, self.killed = log, random.Random(seed), 0

    def whole(self, command: Sequence[object]) -> float:
        """Return the seconds that an undisturbed process takes; it must succeed."""
        start = time.monotonic()
        process = self._begin(command)
        assert process.wait() == 0, self._log.read_text("utf-8")[-3000:]
        return time.monotonic() - start

    def cut(self, command: Sequence[object], seconds: float) -> bool:
        """Start the process and kill it within this many seconds; return False if it succeeded first."""
        process = self._begin(command)
        try:
            status = process.wait(self._random.uniform(0, seconds))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            self.killed += 1
            return True
        assert status == 0, self._log.read_text("utf-8")[-3000:]
        return False

    @contextmanager
    def beside(self, command: Sequence[object]) -> Iterator[None]:
        """Run the process during the ``with`` block, then kill it; this kill is not counted."""
        process = self._begin(command)
        try:
            yield
        finally:
            assert process.poll() is None, self._log.read_text("utf-8")[-3000:]
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _begin(self, command: Sequence[object]) -> subprocess.Popen[bytes]:
        with self._log.open("wb") as log:
            return subprocess.Popen(list(map(str, command)), stdout=log, stderr=log, start_new_session=True)
