"""Finding: the result of a check."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

__all__ = ["Check", "Finding", "Machine", "note", "ok", "problem"]


@dataclass(frozen=True)
class Finding:
    """The result of a check, shown as one line.

    Attributes:
        what: what was checked.
        state: "ok"; "note", worth knowing; "problem".
        text: what was found.
        fix: command or action that fixes a problem; else empty.
    """

    what: str
    state: str
    text: str
    fix: str = ""

    def __str__(self) -> str:
        fix = f"\n{'':<10}-> {self.fix}" if self.fix else ""
        return f"{self.state:<8}  {self.what}: {self.text}{fix}"


@dataclass(frozen=True)
class Machine:
    """The machine to check.

    Attributes:
        root: root of the file system, ``/`` except in tests.
        configs: configs of ``edgeclf run`` to check in addition to those that are found.
    """

    root: Path = Path("/")
    configs: tuple[Path, ...] = ()

    def path(self, name: str) -> Path:
        """Return the path of a file below the root."""
        return self.root / name.lstrip("/")

    def text(self, name: str) -> str:
        """Return the stripped text of a small file; empty if it cannot be read."""
        try:
            return self.path(name).read_text("utf-8", "replace").strip(" \n\0")
        except OSError:
            return ""

    def glob(self, pattern: str) -> list[Path]:
        """Return the files below the root that match a pattern, sorted."""
        return sorted(self.root.glob(pattern.lstrip("/")))


Check = Callable[[Machine], Iterator[Finding]]


def ok(what: str, text: str) -> Finding:
    """Return a finding that is as it should be."""
    return Finding(what, "ok", text)


def note(what: str, text: str, fix: str = "") -> Finding:
    """Return a finding that is worth knowing."""
    return Finding(what, "note", text, fix)


def problem(what: str, text: str, fix: str) -> Finding:
    """Return a problem that should be fixed."""
    return Finding(what, "problem", text, fix)
