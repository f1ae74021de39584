"""Run a module of this package in a separate process and turn a crash, hang or lack of memory into a message."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Ended", "run_isolated"]

_LOOK = 0.2  # seconds between two checks for cancellation


@dataclass(frozen=True)
class Ended:
    """How the process ended.

    Attributes:
        status: exit status; the negative signal number if a signal ended it; None on a timeout.
        output, errors: standard output and standard error.
        seconds: duration.
    """

    status: int | None
    output: str
    errors: str
    seconds: float

    @property
    def fault(self) -> str:
        """What went wrong, as a predicate such as "crashes (SIGSEGV)"; empty on success."""
        if self.status is None:
            return f"does not end within {self.seconds:g} s"
        if self.status < 0:
            return f"crashes ({_signal(-self.status)})"
        return f"fails: {self.last}" if self.status else ""

    @property
    def last(self) -> str:
        """The last line of standard error, without "Error: "."""
        lines = [line.strip() for line in self.errors.splitlines() if line.strip()]
        line = lines[-1] if lines else f"exit status {self.status}"
        return line[len("Error: ") :] if line.startswith("Error: ") else line


def run_isolated(
    module: str,
    words: Sequence[str] = (),
    *,
    seconds: float,
    content: bytes = b"",
    memory: int = 0,
    nice: int = 0,
    cancelled: threading.Event | None = None,
) -> Ended:
    """Run ``python -m MODULE WORDS`` and wait until it ends.

    Args:
        module: full module name.
        words: arguments; paths must be absolute, because the working folder differs.
        seconds: timeout, after which it is killed.
        content: its standard input.
        memory: limit of its address space in bytes (Linux only); 0 for no limit.
        nice: nice value.
        cancelled: once set, ends the process as on a timeout.
    """
    # The working folder comes first in the module search path: use the one that contains this package.
    home, begun = Path(__file__).parents[2], time.monotonic()
    command = [sys.executable, "-m", module, *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=home, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True) as process:
        try:
            _bound(process.pid, memory, nice)
            output, errors = _conversed(process, content, seconds, cancelled or threading.Event())
        except subprocess.TimeoutExpired:
            _kill(process)
            output, errors = process.communicate()
            return Ended(None, _text(output), _text(errors), seconds)
        except BaseException:
            _kill(process)
            raise
    return Ended(process.returncode, _text(output), _text(errors), time.monotonic() - begun)


def _conversed(
    process: subprocess.Popen[bytes], content: bytes, seconds: float, cancelled: threading.Event
) -> tuple[bytes, bytes]:
    until = time.monotonic() + seconds
    while True:
        try:
            return process.communicate(content, timeout=min(_LOOK, max(0.0, until - time.monotonic())))
        except subprocess.TimeoutExpired:
            if cancelled.is_set() or time.monotonic() >= until:
                raise
            content = b""  # Popen keeps what was not sent yet


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and its children, which would keep a device open."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()


def _bound(process: int, memory: int, nice: int) -> None:
    """Set the limits from outside, so that they hold before the module's first line runs."""
    with suppress(OSError):  # ended already, or not allowed here
        os.setpriority(os.PRIO_PROCESS, process, nice)
    if memory and sys.platform == "linux":
        import resource

        with suppress(ProcessLookupError):  # ended already
            resource.prlimit(process, resource.RLIMIT_AS, (memory, memory))


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
