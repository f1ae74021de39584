"""What a source is: something that gives frames."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Protocol

from edgeclf_runtime.frame import Frame

__all__ = ["Source"]


class Source(Protocol):
    """Iterated once, by one thread; a context manager that closes it.

    Attributes:
        description: what it reads, without any password.
        live: frames come when the world gives them, and those nobody takes are dropped.
    """

    description: str
    live: bool

    def __iter__(self) -> Iterator[Frame]:
        """The frames; raises SourceError when they cannot go on."""

    def close(self) -> None:
        """Let go of the device, file or connection; safe to call twice."""

    def __enter__(self) -> Source: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
