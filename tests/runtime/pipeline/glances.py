"""A sink that is shown the frames skipped in a run."""

from __future__ import annotations

from edgeclf_runtime.frame import Frame, FrameOnDemand
from edgeclf_runtime.sinks import Item, Observation

__all__ = ["Glances"]


class Glances:
    """A sink that keeps what it is shown."""

    name, pictures = "glances", False

    def __init__(self) -> None:
        self.classified, self.glanced = 0, list[Frame | FrameOnDemand]()

    def take(self, item: Item) -> None:
        self.classified += isinstance(item, Observation)

    def glance(self, frame: Frame | FrameOnDemand) -> None:
        self.glanced.append(frame)

    def close(self) -> None:
        """Do nothing."""
