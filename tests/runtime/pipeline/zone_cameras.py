"""Cameras and sinks for tests of zones."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgeclf_runtime import Classifier, Frame, SourceError
from edgeclf_runtime.decision.decision import DecisionRule
from edgeclf_runtime.decision.gate import GateRule
from edgeclf_runtime.pictures.view import GivenView
from edgeclf_runtime.pipeline.scheduler import Device
from edgeclf_runtime.pipeline.shared_model import SharedModel
from edgeclf_runtime.pipeline.zone import Zone
from edgeclf_runtime.pipeline.zones import ZonesPipeline
from edgeclf_runtime.sinks import Item, Observation
from edgeclf_runtime.sinks.sink import ZoneName

__all__ = ["HangingSink", "KeptItems", "LiveCamera", "zones_pipeline"]


class LiveCamera:
    """A live camera that gives frames until it is closed, ``fails`` after some, or goes ``silent`` after some."""

    live, description = True, "test"

    def __init__(self, fails: int = 0, silent: int = 0) -> None:
        self._fails, self._silent = fails, silent
        self._closing = threading.Event()
        self.decoded = 0
        self._pixels = np.zeros((60, 80, 3), np.uint8)

    def offered(self) -> Iterator[tuple[float, Callable[[], Frame | None]]]:
        number = 0
        while not self._closing.wait(0.005):
            number += 1
            if number == self._fails:
                raise SourceError("test: unplugged.")
            if number == self._silent:
                self._closing.wait()
                return
            yield number / 200, lambda number=number: self._decode(number)

    def _decode(self, number: int) -> Frame:
        self.decoded += 1
        return Frame(self._pixels, number / 200, number, "test")

    def close(self) -> None:
        self._closing.set()

    def __enter__(self) -> LiveCamera:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Frame]:
        yield from ()


class KeptItems:
    name, pictures = "kept", False

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.changed = threading.Condition()

    def take(self, item: Item) -> None:
        with self.changed:
            self.items.append(item)
            self.changed.notify_all()

    def close(self) -> None:
        pass

    def of(self, zone: str) -> list[Observation]:
        return [item for item in self.items if isinstance(item, Observation) and item.zone.zone == zone]

    def wait(self, enough: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(enough, 60)


class HangingSink(KeptItems):
    name = "hanging"

    def __init__(self, release: threading.Event) -> None:
        super().__init__()
        self._release = release

    def take(self, item: Item) -> None:
        self._release.wait(60)


def zones_pipeline(
    model: Path, cameras: dict[str, LiveCamera], sinks: list[Any], gates: dict[str, GateRule] | None = None
) -> tuple[ZonesPipeline, SharedModel]:
    """Return a pipeline in which each camera has a zone of its name and one with "2" appended, all with one model."""
    classifier = Classifier.load(model, lanes=2)
    pipeline = ZonesPipeline({name: lambda _, c=camera: c for name, camera in cameras.items()}, sinks, 2)
    shared = SharedModel(classifier, Device(2, True), pipeline.tell)
    for name in cameras:
        for zone in (name, f"{name}2"):
            gate = (gates or {}).get(zone, GateRule())
            made = Zone(classifier, DecisionRule(), gate, GivenView(), ZoneName(name, zone))
            pipeline.add(made, shared, [])
    return pipeline, shared
