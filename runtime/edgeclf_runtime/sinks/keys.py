"""What a kind of sink brings: its keys of the table ``[sinks]``, their checks, and what opens it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

from edgeclf_runtime.errors import AddressError
from edgeclf_runtime.sinks.awaited import AwaitedSink
from edgeclf_runtime.sinks.sink import Sink

__all__ = ["Opening", "SinkKeys", "key"]


def key(default: Any, about: str, *, secret: bool = False, carried: bool = False) -> Any:
    """A field of a ``SinkKeys``.

    Args:
        default: that turns it off, or what is used where nothing is said.
        about: one line for run.toml.
        secret: holds a password or token, which is never shown.
        carried: names a file that root may have to read for a service.
    """
    return field(default=default, repr=not secret, metadata={"about": about, "secret": secret, "carried": carried})


@dataclass(frozen=True)
class Opening:
    """What sinks may know of the run that opens them.

    Attributes:
        labels: of the model.
        model: its name.
        gap: seconds between two answers, at most; 0 where nobody knows.
        cooldown: seconds between two calls, at least.
        endless: wait for an address that this machine does not have yet, rather than raise.
        snapshots: the folder of snapshots; None where none are kept.
        secrets: passwords and tokens of all sinks.
    """

    labels: tuple[str, ...]
    model: str
    gap: float = 0.0
    cooldown: float = 0.0
    endless: bool = False
    snapshots: Path | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def listening(self, open_sink: Callable[[], Sink], pictures: bool) -> Sink:
        """A sink that listens at an address, now or, in an endless run, as soon as this machine has it."""
        try:
            return open_sink()
        except AddressError as error:
            if not self.endless:
                raise
            return AwaitedSink(open_sink, error, pictures)


class SinkKeys:
    """Keys of one kind of sink, a frozen dataclass: a base of ``config.settings.SinkSettings``.

    A new kind of sink is one file with a subclass of this, and one line there.
    """

    def mistakes(self) -> Iterator[str]:
        """What is expected of values that are wrong by themselves."""
        yield from ()

    def checks(self) -> Iterator[Callable[[], object]]:
        """Each raises SinkError where something is wrong or missing; nothing is opened."""
        yield from ()

    def open(self, run: Opening) -> Iterator[Sink]:
        """The sinks that are asked for."""
        yield from ()

    def named_labels(self) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
        """Keys whose values are labels: the key, its values, and the words that it takes beside labels."""
        yield from ()

    def recipients(self) -> tuple[str, ...]:
        """Where observations stay or are sent, without any password."""
        return ()

    def folders(self) -> tuple[Path, ...]:
        """That are written to."""
        return ()
