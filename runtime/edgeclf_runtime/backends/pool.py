"""Several devices or interpreters of one model: pictures go to whichever is free, and come back in their order."""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from edgeclf_runtime.backends.backend import Backend

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["PoolBackend", "in_order"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_END = object()


class PoolBackend:
    """Backends of the same model as one; ``invoke`` takes the one that has been free longest, or waits.

    Args:
        backends: one for each device or interpreter; closed with this.
        reason: see ``Backend``.
    """

    def __init__(self, backends: Sequence[Backend], reason: str) -> None:
        self.name, self.reason = _name([backend.name for backend in backends]), reason
        self.input, self.output, self.lanes = backends[0].input, backends[0].output, len(backends)
        self._backends = list(backends)
        self._free: queue.SimpleQueue[Backend] = queue.SimpleQueue()
        for backend in backends:
            self._free.put(backend)

    def invoke(self, batch: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """See ``Backend``; from any thread."""
        backend = self._free.get()
        try:
            return backend.invoke(batch)
        finally:
            self._free.put(backend)

    def close(self) -> None:
        """See ``Backend``."""
        for backend in self._backends:
            backend.close()


def _name(names: list[str]) -> str:
    """Devices are named one by one, interpreters are counted."""
    return f"{len(names)} x {names[0]}" if len(set(names)) == 1 else ",".join(names)


def in_order(function: Callable[[_Item], _Result], items: Iterable[_Item], lanes: int) -> Iterator[_Result]:
    """``map(function, items)``, with as many calls under way as there are lanes.

    A result is given as soon as it and all before it are there: it does not wait for the next item, which a camera may
    take its time for. With one lane all is done by the caller's thread.

    Args:
        function: called by several threads.
        items: asked for the next by one thread at a time, at most ``lanes`` items before the result that is due.
        lanes: at least 1.

    Raises:
        whatever ``items`` or ``function`` raises, in its place.
    """
    return map(function, items) if lanes == 1 else _overlapped(function, iter(items), lanes)


def _overlapped(function: Callable[[_Item], _Result], items: Iterator[_Item], lanes: int) -> Iterator[_Result]:
    threads = ThreadPoolExecutor(lanes + 1, "lane")
    under_way: deque[Future[_Result]] = deque()
    coming: Future[Any] | None = None
    over = False
    try:
        while under_way or not over:
            if coming is None and len(under_way) < lanes and not over:  # no sooner, or a camera's frame would get old
                coming = threads.submit(next, items, _END)
            wait([*list(under_way)[:1], *([coming] if coming else [])], return_when=FIRST_COMPLETED)
            if under_way and under_way[0].done():
                yield under_way.popleft().result()
            elif coming is not None and coming.done():
                over = coming.exception() is not None or coming.result() is _END
                if not over:
                    under_way.append(threads.submit(function, coming.result()))
                    coming = None
        if coming is not None:
            coming.result()  # raises what ended the items
    finally:
        wait(under_way)
        # Not for an item: a silent camera is closed, and so woken, by whoever opened it.
        threads.shutdown(wait=False, cancel_futures=True)
