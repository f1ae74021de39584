"""Run a model on several devices or interpreters: each image goes to a free one; results keep their order."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Callable, Generic, TypeVar

from edgeclf_runtime.backends.backend import Backend

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["PoolBackend", "in_order"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_AHEAD = 2  # finished results per lane that may wait for an earlier one


class PoolBackend:
    """Several backends of the same model as one; ``invoke`` uses the one that has been free longest, or waits.

    Args:
        backends: one for each device or interpreter; closed together with the pool.
        reason: see ``Backend``.
    """

    def __init__(self, backends: Sequence[Backend], reason: str) -> None:
        self.name, self.reason = _name([backend.name for backend in backends]), reason
        self.input, self.output, self.features = backends[0].input, backends[0].output, backends[0].features
        self.lanes = len(backends)
        self._backends = list(backends)
        self._free: queue.SimpleQueue[Backend] = queue.SimpleQueue()
        for backend in backends:
            self._free.put(backend)

    def invoke(self, batch: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """See ``Backend``; may be called from any thread."""
        return self.invoke_with_features(batch)[0]

    def invoke_with_features(
        self, batch: npt.NDArray[np.generic]
    ) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.generic] | None]:
        """See ``Backend``; may be called from any thread."""
        backend = self._free.get()
        try:
            return backend.invoke_with_features(batch)
        finally:
            self._free.put(backend)

    def close(self) -> None:
        """See ``Backend``."""
        for backend in self._backends:
            backend.close()


def _name(names: list[str]) -> str:
    """Return the name of a pool: devices are listed, interpreters are counted."""
    return f"{len(names)} x {names[0]}" if len(set(names)) == 1 else ",".join(names)


def in_order(function: Callable[[_Item], _Result], items: Iterable[_Item], lanes: int) -> Iterator[_Result]:
    """Return ``map(function, items)`` with up to ``lanes`` calls in parallel.

    A result is yielded as soon as it and all earlier ones are finished, without waiting for the next item, which may
    take a camera a while. With one lane, everything runs in the caller's thread.

    Args:
        function: called by several threads.
        items: read by one thread at a time, only when a lane is free.
        lanes: at least 1.

    Raises:
        any error of ``items`` or ``function``, in place of the result.
    """
    return map(function, items) if lanes == 1 else _overlapped(function, iter(items), lanes)


def _overlapped(function: Callable[[_Item], _Result], items: Iterator[_Item], lanes: int) -> Iterator[_Result]:
    work = _Lanes(function, items, _AHEAD * lanes)
    for _ in range(lanes):
        threading.Thread(target=work.work, name="lane", daemon=True).start()
    try:
        yield from work.results()
    finally:
        work.close()


class _Lanes(Generic[_Item, _Result]):
    """Threads that each take the next item, process it, and store the result in order."""

    def __init__(self, function: Callable[[_Item], _Result], items: Iterator[_Item], room: int) -> None:
        self._function, self._items, self._room = function, items, room
        self._taking, self._changed = threading.Lock(), threading.Condition()
        self._made: dict[int, tuple[Any, BaseException | None]] = {}
        self._taken = self._given = self._busy = 0
        self._ended = self._closing = False
        self._error: BaseException | None = None  # raised by the items

    def work(self) -> None:
        """Run the loop of one thread."""
        while True:
            with self._taking:
                number = self._take()
                if number is None:
                    return
                item = self._item
            made: tuple[Any, BaseException | None]
            try:
                made = self._function(item), None
            except BaseException as error:
                made = None, error
            with self._changed:
                self._made[number] = made
                self._busy -= 1
                self._changed.notify_all()

    def _take(self) -> int | None:
        """Wait for room for another result, take the next item and return its number; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._over or self._taken - self._given < self._room)
            if self._over:
                return None
        error: BaseException | None = None
        try:
            self._item = next(self._items)
        except BaseException as raised:
            error = raised
        with self._changed:
            if error is None and not self._closing:
                self._taken, self._busy = self._taken + 1, self._busy + 1
                return self._taken - 1
            self._ended, self._error = True, None if isinstance(error, StopIteration) else error
            self._changed.notify_all()
            return None

    @property
    def _over(self) -> bool:
        return self._ended or self._closing

    def results(self) -> Iterator[_Result]:
        """Yield the results in the order of the items."""
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._given in self._made or (self._ended and self._given == self._taken)
                )
                if self._given not in self._made:
                    break
                result, error = self._made.pop(self._given)
                self._given += 1
                self._changed.notify_all()
            if error is not None:
                raise error
            yield result
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Wait for running calls, but not for an item: the owner of a silent camera wakes it by closing it."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._busy == 0)
