"""Run programs on the device; if they fail, summarize their output in one line."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .edgeclf_layout import ReleaseError

__all__ = ["call", "last_line"]


def call(words: Sequence[object], about: str, folder: Path | None = None, seconds: float = 900.0) -> str:
    """Run a program and return its output.

    Args:
        words: the program and its arguments; for Python begin with ``-I``, or root would import what the service's user
            put into the working folder.
        about: its purpose, with which an error message begins.
        folder: working folder.
        seconds: time-out.

    Raises:
        ReleaseError: it fails, cannot be started, or takes too long.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    environment["LC_ALL"] = "C.UTF-8"
    try:
        done = subprocess.run(
            [str(word) for word in words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            cwd=folder,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ReleaseError(f"{about}: did not end within {seconds:.0f} s") from None
    except OSError as error:
        raise ReleaseError(f"{about}: {words[0]}: {error.strerror}") from None
    if done.returncode:
        raise ReleaseError(f"{about}: {last_line(done.stderr or done.stdout, done.returncode)}")
    return done.stdout


def last_line(text: str, status: int) -> str:
    """Return the line of an output that says why the program failed."""
    if status < 0:
        return f"it was ended by {_signal(-status)}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith(("error", "fatal"))]
    chosen = (errors or lines or [f"exit status {status}"])[-1]
    return chosen[len("Error: ") :] if chosen.startswith("Error: ") else chosen


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
