"""A program and all processes it starts, which can be stopped together."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from edgeclf_runtime.system.native_lines import unfiltered

__all__ = ["ProcessGroup", "kill_all"]

_LOOK = 0.05  # longest pause, in seconds, between two checks whether a program has ended
_groups: set[ProcessGroup] = set()


class ProcessGroup:
    """A program in its own session; children that start another session do not belong to it.

    The program stays a zombie while its group has other members, so that no other group can get its id.

    Args:
        command: the program and its arguments.
        environment: the complete environment.

    Raises:
        OSError: the program cannot be started.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # standard output belongs to the terminal sink
            stderr=unfiltered(),  # not the pipe, which ends with this process
            start_new_session=True,
        )
        _groups.add(self)

    def wait(self, seconds: float, cancelled: threading.Event) -> int | None:
        """Return the exit status, or the negative signal number; None on a timeout or when cancelled."""
        until, pause = time.monotonic() + seconds, 0.001
        while (ended := _ended(self._process.pid)) is None:
            if time.monotonic() >= until or cancelled.wait(min(pause, max(0.0, until - time.monotonic()))):
                return None
            pause = min(2 * pause, _LOOK)
        return ended

    def is_over(self) -> bool:
        """Whether no process is left; the group is then released."""
        if _ended(self._process.pid) is None or any(_members(self._process.pid)):
            return False
        self._process.wait()
        _groups.discard(self)
        return True

    def end(self, seconds: float) -> None:
        """Send SIGTERM to all processes, and kill those left after ``seconds``."""
        self._signal(signal.SIGTERM)
        until = time.monotonic() + seconds
        while not self.is_over():
            if time.monotonic() >= until:
                return self.kill()
            time.sleep(0.02)

    def kill(self) -> None:
        """Kill all processes at once."""
        self._signal(signal.SIGKILL)
        _groups.discard(self)
        with suppress(subprocess.TimeoutExpired):  # stuck in a driver
            self._process.wait(0.2)

    def _signal(self, number: int) -> None:
        if self._process.returncode is None:  # else the id may belong to another process by now
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)


def kill_all() -> None:
    """Kill what is left of all groups, before this process ends."""
    for group in list(_groups):
        group.kill()


def _ended(process: int) -> int | None:
    """Return the exit status or negative signal number without reaping the process; None while it runs."""
    try:
        result = os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:  # reaped elsewhere
        return 0
    if result is None:
        return None
    return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status


def _members(group: int) -> Iterator[int]:
    """Yield the ids of a group's running processes, as far as Linux shows them."""
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            state, _, number = entry.read_bytes().rpartition(b")")[2].split()[:3]
            if int(number) == group and state not in (b"Z", b"X"):
                yield int(entry.parent.name)
