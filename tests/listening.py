"""Reporters for tests: one keeps the lines, one presses Ctrl-C."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from edgeclf import Quiet
from edgeclf.progress import Bar

__all__ = ["Interrupting", "Listening"]


class Listening(Quiet):
    """Keeps the lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


class Interrupting(Quiet):
    """Presses Ctrl-C after ``after`` steps of the bar with that title."""

    def __init__(self, title: str, after: int = 1) -> None:
        self._title, self._left, self._counts = title, after, False

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[Bar]:
        self._counts = title == self._title
        yield self

    def advance(self, steps: int) -> None:
        self._left -= steps if self._counts else 0
        if self._left <= 0:
            raise KeyboardInterrupt
