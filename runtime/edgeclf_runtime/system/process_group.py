"""A program and all that it starts, which can be ended together."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

__all__ = ["ProcessGroup", "kill_all"]

_LOOK = 0.05  # seconds between two looks at whether a program has ended, at most
_groups: set[ProcessGroup] = set()


class ProcessGroup:
    """A program in a session of its own; children that begin another session are no part of it.

    The program is a zombie for as long as its group has other members: no other group can get its number meanwhile.

    Args:
        command: the program and its arguments.
        environment: all of it.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # standard output is the terminal sink's
            start_new_session=True,
        )
        _groups.add(self)

    def wait(self, seconds: float, cancelled: threading.Event) -> int | None:
        """The program's exit status, minus a signal's number; None where it has not ended so soon, or was cancelled."""
        until, pause = time.monotonic() + seconds, 0.001
        while (ended := _ended(self._process.pid)) is None:
            if time.monotonic() >= until or cancelled.wait(min(pause, max(0.0, until - time.monotonic()))):
                return None
            pause = min(2 * pause, _LOOK)
        return ended

    def is_over(self) -> bool:
        """Whether nothing of it is left; it is forgotten then."""
        if _ended(self._process.pid) is None or any(_members(self._process.pid)):
            return False
        self._process.wait()
        _groups.discard(self)
        return True

    def end(self, seconds: float) -> None:
        """Ask all of it to end (SIGTERM), and kill what is left after so many seconds."""
        self._signal(signal.SIGTERM)
        until = time.monotonic() + seconds
        while not self.is_over():
            if time.monotonic() >= until:
                return self.kill()
            time.sleep(0.02)

    def kill(self) -> None:
        """End all of it at once."""
        self._signal(signal.SIGKILL)
        _groups.discard(self)
        with suppress(subprocess.TimeoutExpired):  # it hangs in a driver
            self._process.wait(0.2)

    def _signal(self, number: int) -> None:
        if self._process.returncode is None:  # else its number may be another's by now
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)


def kill_all() -> None:
    """End at once whatever is left of all groups, before this process ends."""
    for group in list(_groups):
        group.kill()


def _ended(process: int) -> int | None:
    """Its exit status, or minus a signal's number, without letting go of its own number; None while it runs."""
    try:
        result = os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:  # somebody else waited for it
        return 0
    if result is None:
        return None
    return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status


def _members(group: int) -> Iterator[int]:
    """Processes of a group that still run, as far as Linux shows them, without those that have ended."""
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            state, _, number = entry.read_bytes().rpartition(b")")[2].split()[:3]
            if int(number) == group and state not in (b"Z", b"X"):
                yield int(entry.parent.name)
