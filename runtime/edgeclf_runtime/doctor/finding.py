"""What an examination finds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

__all__ = ["Check", "Finding", "Machine", "note", "ok", "problem"]


@dataclass(frozen=True)
class Finding:
    """One line.

    Attributes:
        what: was looked at.
        state: "ok"; "note", worth knowing; "problem".
        text: what was found.
        fix: the command or action that mends a problem; else empty.
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
    """Where to look.

    Attributes:
        root: the file system's, ``/`` but for tests.
        configs: of ``edgeclf run``, besides those that are looked for.
    """

    root: Path = Path("/")
    configs: tuple[Path, ...] = ()

    def path(self, name: str) -> Path:
        """A file by its absolute name."""
        return self.root / name.lstrip("/")

    def text(self, name: str) -> str:
        """A small file's text without blanks at its ends; empty where it cannot be read."""
        try:
            return self.path(name).read_text("utf-8", "replace").strip(" \n\0")
        except OSError:
            return ""

    def glob(self, pattern: str) -> list[Path]:
        """Files by a pattern below the root, sorted."""
        return sorted(self.root.glob(pattern.lstrip("/")))


Check = Callable[[Machine], Iterator[Finding]]


def ok(what: str, text: str) -> Finding:
    """As it should be."""
    return Finding(what, "ok", text)


def note(what: str, text: str, fix: str = "") -> Finding:
    """Worth knowing."""
    return Finding(what, "note", text, fix)


def problem(what: str, text: str, fix: str) -> Finding:
    """To be mended."""
    return Finding(what, "problem", text, fix)
