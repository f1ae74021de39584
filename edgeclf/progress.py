"""Show the progress of long tasks: lines, and bars with the time left."""

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
    """The progress bar of a task."""

    def advance(self, steps: int) -> None:
        """Advance the bar by this many steps."""


class Reporter(Protocol):
    """Receives the progress of a task."""

    def say(self, line: str) -> None:
        """Show one line."""

    def bar(self, title: str, total: int) -> AbstractContextManager[Bar]:
        """Show a bar during a ``with`` block.

        Args:
            title: name of the task.
            total: number of steps; 0 if it is unknown, then the bar shows the elapsed time.
        """


class _Task:
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def advance(self, steps: int) -> None:
        self._progress.advance(self._task, steps)


class Terminal:
    """Show lines and bars on standard error; bars only if it is a terminal."""

    def __init__(self) -> None:
        self._console = Console(file=_own_terminal(), stderr=True, highlight=False)
        self._progress: Progress | None = None  # set while there is a bar; a nested bar is a line below it

    def say(self, line: str) -> None:
        self._console.print("\n".join(map(plain, line.split("\n"))), markup=False, soft_wrap=True)

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[Bar]:
        with self._shown() as progress:
            task: TaskID | None = None
            try:
                task = progress.add_task(title, total=total or None)  # draws the bar: Ctrl-C may come here, too
                yield _Task(progress, task)
            finally:
                if task is not None:
                    progress.remove_task(task)
                progress.refresh()  # or the next line would be written above a finished bar

    @contextmanager
    def _shown(self) -> Iterator[Progress]:
        if self._progress is not None:
            yield self._progress
            return
        columns = (TextColumn("{task.description:<22}"), BarColumn(), _Count(), TimeElapsedColumn(), _Remaining())
        shown = self._console.is_terminal and not self._console.is_dumb_terminal
        progress = Progress(*columns, console=self._console, transient=True, disable=not shown)
        try:
            progress.start()
            self._progress = progress
            yield progress
        finally:
            self._progress = None
            progress.stop()


def _own_terminal() -> TextIO | None:
    """Open standard error, if it is a terminal, by another descriptor: the usual one is held back for TensorFlow."""
    if not isinstance(sys.stderr, io.TextIOWrapper) or not sys.stderr.isatty():
        return None
    return open(os.dup(sys.stderr.fileno()), "w", encoding=sys.stderr.encoding, errors=sys.stderr.errors)


class _Count(MofNCompleteColumn):
    """Column of finished steps, for tasks with a known number."""

    def render(self, task: Task) -> Text:
        return Text("") if task.total is None else super().render(task)


class _Remaining(TimeRemainingColumn):
    """Column of the time left, for tasks with a known number of steps."""

    def render(self, task: Task) -> Text:
        return Text("") if task.total is None else Text("left ").append_text(super().render(task))


class Quiet:
    """A reporter that shows nothing."""

    def say(self, line: str) -> None:
        """Do nothing."""

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[Bar]:
        yield self

    def advance(self, steps: int) -> None:
        """Do nothing."""
