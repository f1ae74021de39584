"""What a long task says while it works: lines, and bars with the time left."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

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
        """A bar for a task, shown while the ``with`` lasts.

        Args:
            total: its steps; 0 for a task that cannot tell how far it is, which shows the time it has taken.
        """


class _Task:
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def advance(self, steps: int) -> None:
        self._progress.advance(self._task, steps)


class Terminal:
    """Lines and bars on standard error; bars only where that is a terminal."""

    def __init__(self) -> None:
        self._console = Console(file=_own_terminal(), stderr=True, highlight=False)
        self._progress: Progress | None = None  # while there is a bar; a bar within another is a line below it

    def say(self, line: str) -> None:
        self._console.print("\n".join(map(plain, line.split("\n"))), markup=False, soft_wrap=True)

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[Bar]:
        with self._shown() as progress:
            task = progress.add_task(title, total=total or None)
            try:
                yield _Task(progress, task)
            finally:
                progress.remove_task(task)
                progress.refresh()  # or the next line would be written above a bar that is over

    @contextmanager
    def _shown(self) -> Iterator[Progress]:
        if self._progress is not None:
            yield self._progress
            return
        columns = (TextColumn("{task.description:<22}"), BarColumn(), _Count(), TimeElapsedColumn(), _Remaining())
        shown = self._console.is_terminal and not self._console.is_dumb_terminal
        with Progress(*columns, console=self._console, transient=True, disable=not shown) as self._progress:
            try:
                yield self._progress
            finally:
                self._progress = None


def _own_terminal() -> TextIO | None:
    """Standard error where it is a terminal, by a descriptor of its own: that of TensorFlow's lines is held back."""
    if not isinstance(sys.stderr, io.TextIOWrapper) or not sys.stderr.isatty():
        return None
    return open(os.dup(sys.stderr.fileno()), "w", encoding=sys.stderr.encoding, errors=sys.stderr.errors)


class _Count(MofNCompleteColumn):
    """Steps done, of a task that has some."""

    def render(self, task: Task) -> Text:
        return Text("") if task.total is None else super().render(task)


class _Remaining(TimeRemainingColumn):
    """Time left, of a task that can tell."""

    def render(self, task: Task) -> Text:
        return Text("") if task.total is None else Text("left ").append_text(super().render(task))


class Quiet:
    """Says nothing."""

    def say(self, line: str) -> None:
        """Nothing."""

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[Bar]:
        yield self

    def advance(self, steps: int) -> None:
        """Nothing."""
