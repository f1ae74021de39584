"""A reporter that stops a task when its time is up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from edgeclf.progress import Bar, Reporter

__all__ = ["Budget"]


class Budget:
    """Pass on lines and bars to another reporter; after the end time, every step of a bar acts like Ctrl-C.

    Trainings and exports stop cleanly on Ctrl-C and keep what they have.

    Args:
        end: the end time, as a value of ``time.monotonic()`` in seconds.

    Attributes:
        spent: whether the end time has stopped something.
    """

    def __init__(self, reporter: Reporter, end: float) -> None:
        self._reporter, self._end, self.spent = reporter, end, False

    def say(self, line: str) -> None:
        """Pass on one line."""
        self._reporter.say(line)

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[Bar]:
        """See ``Reporter``."""
        with self._reporter.bar(title, total) as bar:
            yield _Steps(self, bar)

    def check(self) -> None:
        """Raise KeyboardInterrupt if the time is up."""
        if time.monotonic() >= self._end:
            self.spent = True
            raise KeyboardInterrupt


class _Steps:
    def __init__(self, budget: Budget, bar: Bar) -> None:
        self._budget, self._bar = budget, bar

    def advance(self, steps: int) -> None:
        self._bar.advance(steps)
        self._budget.check()
