"""Prepare batches in a thread while the step before them runs."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Generic, TypeVar

__all__ = ["Prefetched"]

_AHEAD = 2  # batches

Job = TypeVar("Job")
Batch = TypeVar("Batch")


class Prefetched(Generic[Job, Batch]):
    """Iterate over the results of ``prepare`` for each job, in order; a thread computes them two batches ahead.

    Attributes:
        waited: seconds spent waiting for batches.
        worked: seconds the caller spent between taking a batch and asking for the next.
    """

    def __init__(self, prepare: Callable[[Job], Batch], jobs: Iterable[Job]) -> None:
        self._prepare, self._jobs = prepare, iter(jobs)
        self.waited = self.worked = 0.0

    @property
    def wait_share(self) -> float:
        """Return the share of the time so far that was spent waiting, in [0, 1]."""
        return self.waited / (self.waited + self.worked) if self.waited else 0.0

    def __iter__(self) -> Iterator[Batch]:
        with ThreadPoolExecutor(1) as pool:
            queue: deque[Future[Batch]] = deque(pool.submit(self._prepare, job) for job in islice(self._jobs, _AHEAD))
            try:
                while queue:
                    started = time.monotonic()
                    batch = queue.popleft().result()
                    queue.extend(pool.submit(self._prepare, job) for job in islice(self._jobs, 1))
                    given = time.monotonic()
                    self.waited += given - started
                    yield batch
                    self.worked += time.monotonic() - given
            finally:
                for future in queue:
                    future.cancel()
