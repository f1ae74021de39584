"""What a sink is: something that takes what was seen."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Protocol, Union, runtime_checkable

from edgeclf_runtime.decision.decision import Decision
from edgeclf_runtime.prediction import Prediction
from edgeclf_runtime.sources.source import SourceState

__all__ = ["Caller", "Item", "ModelState", "Observation", "Sink"]


@dataclass(frozen=True, eq=False)
class Observation:
    """One classified frame.

    Attributes:
        prediction: with its frame.
        decision: the steady answer after it.
        time: of the frame's capture, in seconds since 1970.
        age: seconds from its capture until it was classified.
    """

    prediction: Prediction
    decision: Decision
    time: float
    age: float


@dataclass(frozen=True)
class ModelState:
    """What became of a model file that was put in the place of the one in use, or was there at the start.

    Attributes:
        name: "adopted"; or "refused", and the model before, or the last good copy, goes on.
        path: of the file.
        labels: of the model in use from now on.
        reason: for people; empty when it was adopted.
        time: in seconds since 1970.
    """

    name: str
    path: str
    labels: tuple[str, ...]
    reason: str = ""
    time: float = field(default_factory=time.time, compare=False)


Item = Union[Observation, SourceState, ModelState]
"""What a sink is given: what was seen, and how the source and the model are doing whenever that changes."""


class Sink(Protocol):
    """Used by one thread of its own, so that waiting here never stalls a camera.

    Attributes:
        name: for people; without secrets.
        images: whether it needs the frames' pixels; without them an item costs nothing while it waits.

    A sink with a method ``glance(frame)`` is shown the frames that the gate skips, too. It is called by the thread that
    reads the camera, and must not wait. One with a method ``follow(outlets)`` is shown those of all sinks at the start.
    One with an attribute ``dropped`` counts there what it gave up for newer items.
    """

    name: str
    pictures: bool

    def take(self, item: Item) -> None:
        """Do with it what this sink does; an error is logged, counted, and ends nothing."""

    def close(self) -> None:
        """Write what is left and let go; called once."""


@runtime_checkable
class Caller(Sink, Protocol):
    """A sink that acts on the world, which must not act on the past: while it does, only the newest change waits.

    Attributes:
        cooldown: seconds from the end of a call to the next, at least.
        superseded: set while a newer change waits.
    """

    cooldown: float
    superseded: threading.Event

    def heeds(self, item: Item) -> bool:
        """Whether it calls for this one."""

    def interrupt(self) -> None:
        """End the present call; there will be no other."""
