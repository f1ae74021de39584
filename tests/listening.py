"""A reporter for tests of what is said."""

from __future__ import annotations

from edgeclf import Quiet

__all__ = ["Listening"]


class Listening(Quiet):
    """Keeps the lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)
