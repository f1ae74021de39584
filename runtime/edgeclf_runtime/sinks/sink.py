"""The interface of a sink, which takes observations."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, Union, runtime_checkable

from edgeclf_runtime.decision.conditions import Conditions
from edgeclf_runtime.decision.decision import Decision
from edgeclf_runtime.model.examples import Examples
from edgeclf_runtime.model.identity import ModelIdentity
from edgeclf_runtime.prediction import Prediction
from edgeclf_runtime.sources.source import SourceState

__all__ = ["NO_ZONE", "Caller", "Item", "ModelState", "Observation", "Sink", "ZoneName"]


class ZoneName(NamedTuple):
    """The names of a camera and of one of its zones; both empty in a run of one camera without zones."""

    camera: str = ""
    zone: str = ""

    @property
    def fields(self) -> dict[str, str]:
        """``camera`` and ``zone``, for lines and labels; nothing in a run without zones."""
        return self._asdict() if self.camera else {}


NO_ZONE = ZoneName()
"""The name of a run of one camera without zones."""


@dataclass(frozen=True, eq=False)
class Observation:
    """One classified frame.

    Attributes:
        prediction: the prediction, with its frame.
        decision: the stable answer after this frame.
        time: capture time of the frame, in seconds since 1970.
        age: seconds from capture to classification.
        conditions: what the frames so far show about the camera; None if the model has no familiarity.
        zone: the camera and the zone.
    """

    prediction: Prediction
    decision: Decision
    time: float
    age: float
    conditions: Conditions | None = None
    zone: ZoneName = NO_ZONE


@dataclass(frozen=True)
class ModelState:
    """The outcome of loading a model file, at the start or after the file was replaced.

    Attributes:
        name: "adopted"; or "refused": the previous model, or the last good copy, stays in use.
        path: path of the file.
        labels: labels of the model in use from now on.
        reason: for display; empty if adopted.
        time: in seconds since 1970.
        examples: training images that an adopted model's file holds; None if it has none.
        file: the adopted file.
        replaces: path of the file that was in use before an adopted one.
        is_offer: whether the refused file was only offered as an update; the device's own model file is not affected.
    """

    name: str
    path: str
    labels: tuple[str, ...]
    reason: str = ""
    time: float = field(default_factory=time.time, compare=False)
    examples: Examples | None = field(default=None, compare=False, repr=False)
    file: ModelIdentity | None = field(default=None, compare=False, repr=False)
    replaces: str = field(default="", compare=False, repr=False)
    is_offer: bool = field(default=False, compare=False, repr=False)


Item = Union[Observation, SourceState, ModelState]
"""What a sink takes: observations, and the state of the source and the model whenever it changes."""


class Sink(Protocol):
    """A sink runs in its own thread, so that blocking in it never stalls the camera.

    Attributes:
        name: for display, without secrets.
        pictures: whether it needs the frames' pixels; otherwise waiting items hold no pixels in memory.

    Optional members: ``glance(frame)`` is called for frames that the gate skips, in the thread that reads the camera,
    and must not block; a camera's frame may be a ``FrameOnDemand``, which is decoded when it is accessed.
    ``follow(outlets)`` is called at the start with the outlets of all sinks. ``dropped`` counts the items that the sink
    replaced by newer ones.
    """

    name: str
    pictures: bool

    def take(self, item: Item) -> None:
        """Process an item; an error is logged and counted, and the run continues."""

    def close(self) -> None:
        """Write what is left and release resources; called once."""


@runtime_checkable
class Caller(Sink, Protocol):
    """A sink that triggers actions, and must not act on old answers: during a call only the newest change waits.

    Attributes:
        cooldown: minimum time from the end of a call to the next, in seconds.
        superseded: set while a newer change waits.
    """

    cooldown: float
    superseded: threading.Event

    def heeds(self, item: Item) -> bool:
        """Return whether an item triggers a call."""

    def interrupt(self) -> None:
        """End the current call; no other follows."""
