"""The commands of the device's processes."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

__all__ = ["commands"]


def commands() -> dict[int, list[bytes]]:
    """Return the words of each process's command, by process id."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            found[int(path.parent.name)] = path.read_bytes().split(b"\0")
    return found
