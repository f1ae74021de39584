"""A reporter that ends what it follows when the time is up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from edgeclf.progress import Bar, Reporter

__all__ = ["Budget"]


class Budget:
    """Another reporter's lines and bars, until a moment from which every step of a bar is Ctrl-C.

    Trainings and exports end in order at Ctrl-C, and what they have is kept.

    Args:
        end: of ``time.monotonic()``.

    Attributes:
        spent: whether it has ended something.
    """

    def __init__(self, reporter: Reporter, end: float) -> None:
        self._reporter, self._end, self.spent = reporter, end, False

    def say(self, line: str) -> None:
        """One finished statement."""
        self._reporter.say(line)

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[Bar]:
        """See ``Reporter``."""
        with self._reporter.bar(title, total) as bar:
            yield _Steps(self, bar)

    def check(self) -> None:
        """Raises KeyboardInterrupt when the time is up."""
        if time.monotonic() >= self._end:
            self.spent = True
            raise KeyboardInterrupt


class _Steps:
    def __init__(self, budget: Budget, bar: Bar) -> None:
        self._budget, self._bar = budget, bar

    def advance(self, steps: int) -> None:
        self._bar.advance(steps)
        self._budget.check()
