"""Prefetch one item: a thread prepares the next item of an iterator while the current one is processed."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Generic, TypeVar

__all__ = ["Ahead"]

T = TypeVar("T")


class Ahead(Generic[T]):
    """Iterate over ``items`` in order, with at most one item prefetched.

    Reading, decoding and resizing an image release Python's global lock, and so does the interpreter: with two cores
    they run at the same time. An error raised by ``items`` is raised again in place of the item.

    Args:
        items: iterated in a separate thread from now on.
    """

    def __init__(self, items: Iterable[T]) -> None:
        self._items, self._changed = items, threading.Condition()
        self._made: list[T] = []
        self._error: BaseException | None = None
        self._ended = self._closing = False
        self._thread = threading.Thread(target=self._work, name="ahead", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            items = iter(self._items)
            while self._has_room():  # checked before the next item is requested, or a camera's frame would get old
                item = next(items)
                with self._changed:
                    self._made.append(item)
                    self._changed.notify_all()
        except StopIteration:
            pass
        except BaseException as error:
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _has_room(self) -> bool:
        """Wait until the last item was taken; return False when closing."""
        with self._changed:
            self._changed.wait_for(lambda: not self._made or self._closing)
            return not self._closing

    def __iter__(self) -> Iterator[T]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._made or self._ended or self._closing)
                if self._closing:
                    return
                if not self._made:
                    break
                item = self._made.pop()
                self._changed.notify_all()
            yield item
        if self._error is not None:
            raise self._error

    def close(self, seconds: float = 1.0) -> None:
        """Stop, and wait up to ``seconds`` for the item in progress; close its source first."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(seconds)

    def __enter__(self) -> Ahead[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
