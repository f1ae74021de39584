"""A module of this package run in a process of its own, whose crash, hang or hunger becomes a sentence."""

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

_LOOK = 0.2  # seconds between two looks at whether it was cancelled


@dataclass(frozen=True)
class Ended:
    """How such a process ended.

    Attributes:
        status: its exit status; minus the signal's number where one ended it; None where the time was over.
        output, errors: what it printed, and its complaints.
        seconds: it took.
    """

    status: int | None
    output: str
    errors: str
    seconds: float

    @property
    def fault(self) -> str:
        """What is to follow its name in a sentence, such as "crashes (SIGSEGV)"; empty where it ended well."""
        if self.status is None:
            return f"does not end within {self.seconds:g} s"
        if self.status < 0:
            return f"crashes ({_signal(-self.status)})"
        return f"fails: {self.last}" if self.status else ""

    @property
    def last(self) -> str:
        """The last line of its complaints, without "Error: "."""
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
    """Run ``python -m MODULE WORDS`` and wait for its end.

    Args:
        module: by its full name.
        words: its arguments; paths among them in full, for its working folder is another.
        seconds: after which it is killed.
        content: its standard input.
        memory: the most address space it may take, in bytes, where the system can bound it (Linux); 0 for no bound.
        nice: by how much others go before it.
        cancelled: ends it, as if its time were over, once this is set.
    """
    # The folder a module is started from comes first in its search path: here the one that holds this package.
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
            content = b""  # what was not sent yet is kept by it


def _kill(process: subprocess.Popen[bytes]) -> None:
    """And what it started: a process that tries a device for it would keep the device."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()


def _bound(process: int, memory: int, nice: int) -> None:
    """From outside, so that it holds before the module's first line runs."""
    with suppress(OSError):  # over already, or not allowed here
        os.setpriority(os.PRIO_PROCESS, process, nice)
    if memory and sys.platform == "linux":
        import resource

        with suppress(ProcessLookupError):  # over already
            resource.prlimit(process, resource.RLIMIT_AS, (memory, memory))


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
