"""One item ahead: what an iterator gives next is made in a thread while the present one is worked on."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Generic, TypeVar

__all__ = ["Ahead"]

T = TypeVar("T")


class Ahead(Generic[T]):
    """Iterates over what ``items`` gives, in order, with at most one item made and not yet taken.

    Reading, decoding and fitting an image let go of Python's lock, and so does the interpreter: on two processors the
    one costs no time while the other lasts. An error of ``items`` is raised where its item would have come.

    Args:
        items: iterated by a thread of its own from now on.
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
            while self._has_room():  # before the next is asked for: a camera's frame would get old in the hand
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
        """Once the last one is taken; False when it is to end."""
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
        """Take no more; waits so long for the item that is being made, whose source the caller closes first."""
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
