"""Run a command on a pseudo-terminal and keep everything that it writes."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Screen", "on_terminal", "open_terminal"]

_ENVIRONMENT = {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"}


def _heed_ctrl_c() -> None:
    """Let the command's process receive SIGINT, which is ignored if the tests run in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass
class Screen:
    """What a command wrote to its terminal.

    Attributes:
        process: the command.
        text: its output so far, with escape sequences and with ``\\n`` at the ends of lines.
        longest: the longest pause in the output, in seconds.
    """

    process: subprocess.Popen[bytes]
    _master: int
    text: str = ""
    longest: float = 0.0
    _written: bytes = b""

    def until(self, words: str) -> None:
        """Read until this text was written; fail if the command ends without it."""
        while words not in self.text:
            assert self._read(), f"{words!r} never came:\n{self.text}"

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self) -> int:
        """Read to the end; return the exit status."""
        while self._read():
            pass
        return self.process.wait()

    def _read(self) -> bool:
        begun = time.monotonic()
        try:
            data = os.read(self._master, 1 << 16)
        except OSError:  # the other side is closed
            data = b""
        self.longest = max(self.longest, time.monotonic() - begun)
        # Decoded as a whole: a read may end within a character, or between a carriage return and its line feed.
        self._written += data
        self.text = self._written.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(data)


@contextmanager
def open_terminal(
    words: Sequence[str | Path], folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Screen]:
    """Start a command on a terminal; kill it at the end of the ``with``."""
    master, slave = pty.openpty()
    variables = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    variables |= {**_ENVIRONMENT, **(environment or {})}
    process = subprocess.Popen(
        [str(word) for word in words],
        cwd=folder,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=variables,
        start_new_session=True,
        preexec_fn=_heed_ctrl_c,
    )
    os.close(slave)
    try:
        yield Screen(process, master)
    finally:
        process.kill()
        process.wait()
        os.close(master)


def on_terminal(
    words: Sequence[str | Path], folder: Path, environment: Mapping[str, str] | None = None, status: int = 0
) -> Screen:
    """Run a command on a terminal to its end; fail if it exits with another status."""
    with open_terminal(words, folder, environment) as screen:
        assert screen.end() == status, screen.text
    return screen
