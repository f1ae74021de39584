"""The interface of a kind of sink: its keys in the table ``[sinks]``, their checks, and how to open it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

from edgeclf_runtime.decision.control import ZoneControl
from edgeclf_runtime.errors import AddressError
from edgeclf_runtime.model.examples import Examples
from edgeclf_runtime.model.identity import ModelIdentity
from edgeclf_runtime.sinks.awaited import AwaitedSink
from edgeclf_runtime.sinks.sink import NO_ZONE, Sink, ZoneName
from edgeclf_runtime.sinks.zone_editor import ZoneEditor

__all__ = ["Opening", "SinkKeys", "key"]


def key(default: Any, about: str, *, secret: bool = False, carried: bool = False) -> Any:
    """A field of a ``SinkKeys``.

    Args:
        default: value if the key is not given; usually turns the sink off.
        about: one-line description for run.toml.
        secret: contains a password or token, which is never shown.
        carried: names a file that systemd passes to a service as a credential.
    """
    return field(default=default, repr=not secret, metadata={"about": about, "secret": secret, "carried": carried})


@dataclass(frozen=True)
class Opening:
    """What sinks know about the run that opens them.

    Attributes:
        labels: labels of the model.
        model: name of the model.
        gap: longest time between two answers, in seconds; 0 if unknown.
        cooldown: minimum time between two calls, in seconds.
        endless: wait for an address that this machine does not have yet instead of raising an error.
        snapshots: folder of snapshots; None if none are stored.
        secrets: passwords and tokens of all sinks.
        familiarity: whether the model has familiarity.
        examples: training images that the model file holds; None if it has none.
        zones: all zones, so that what is written names them; empty in a run without zones.
        zone: the zone whose sinks are opened; empty for shared sinks, and in a run without zones.
        several_labels: whether an image may have several labels.
        models: the model files in use.
        is_first: whether this is the first zone of its camera, whose sinks also report the camera.
        control: pauses the zone, and sets its threshold; None in a run without zones.
        page: address of the live page for other machines; empty if there is none.
        editor: changes the zones; None if they are fixed.
    """

    labels: tuple[str, ...]
    model: str
    gap: float = 0.0
    cooldown: float = 0.0
    endless: bool = False
    snapshots: Path | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)
    familiarity: bool = False
    examples: Examples | None = field(default=None, repr=False)
    zones: tuple[ZoneName, ...] = ()
    zone: ZoneName = NO_ZONE
    is_first: bool = True
    control: ZoneControl | None = None
    page: str = ""
    editor: ZoneEditor | None = field(default=None, repr=False)
    several_labels: bool = False
    models: tuple[ModelIdentity, ...] = ()

    def listening(self, open_sink: Callable[[], Sink], pictures: bool) -> Sink:
        """Open a sink that listens at an address, in an endless run as soon as this machine has the address."""
        try:
            return open_sink()
        except AddressError as error:
            if not self.endless:
                raise
            return AwaitedSink(open_sink, error, pictures)


class SinkKeys:
    """Keys of one kind of sink: a frozen dataclass and a base of ``config.settings.SinkSettings``.

    To add a kind of sink, write one file with a subclass of this and add one line there.
    """

    def mistakes(self) -> Iterator[str]:
        """Yield what is expected, for each invalid value."""
        yield from ()

    def checks(self) -> Iterator[Callable[[], object]]:
        """Yield checks that raise SinkError if something is wrong or missing, without opening anything."""
        yield from ()

    def open(self, run: Opening) -> Iterator[Sink]:
        """Open and yield the configured sinks."""
        yield from ()

    def named_labels(self) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
        """Yield the keys whose values are labels: the key, its values, and other words that it accepts."""
        yield from ()

    def devices(self) -> dict[str, str]:
        """Return the kernel devices in use, by systemd's names, each with the group that may open it."""
        return {}

    def recipients(self) -> tuple[str, ...]:
        """Return where observations are stored or sent, without passwords."""
        return ()

    def folders(self) -> tuple[Path, ...]:
        """Return the folders that are written to."""
        return ()
