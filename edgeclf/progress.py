"""What a long task says while it works: lines, and bars with the time left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from edgeclf_runtime.system.plain_text import plain

__all__ = ["Bar", "Quiet", "Reporter", "Terminal"]


class Bar(Protocol):
    """A task of known length."""

    def advance(self, steps: int) -> None:
        """So many more are done."""


class Reporter(Protocol):
    """Takes what a task has to say."""

    def say(self, line: str) -> None:
        """One finished statement."""

    def bar(self, title: str, total: int) -> AbstractContextManager[Bar]:
        """A bar for a task of that many steps, shown while the ``with`` lasts."""


class _Task:
    def __init__(self, progress: Progress, title: str, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task(title, total=total)

    def advance(self, steps: int) -> None:
        self._progress.advance(self._task, steps)


class Terminal:
    """Lines and bars on standard error; bars only where that is a terminal."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)

    def say(self, line: str) -> None:
        self._console.print("\n".join(map(plain, line.split("\n"))), markup=False, soft_wrap=True)

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[Bar]:
        columns = (TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn())
        times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
        with Progress(
            *columns, *times, console=self._console, transient=True, disable=not self._console.is_terminal
        ) as progress:
            yield _Task(progress, title, total)


class Quiet:
    """Says nothing."""

    def say(self, line: str) -> None:
        """Nothing."""

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[Bar]:
        yield self

    def advance(self, steps: int) -> None:
        """Nothing."""
