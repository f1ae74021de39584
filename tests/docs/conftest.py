"""A camera, a broker and a folder for the commands of a page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeclf import Run
from tests.docs.world import MakeWorld, World
from tests.runtime.mqtt_broker import MOSQUITTO, Broker
from tests.runtime.still_camera import StillCamera


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[MakeWorld]:
    """Make the world of one page."""
    folder = tmp_path / "world"
    folder.mkdir()
    broker = Broker(tmp_path) if MOSQUITTO else None
    image = folder / "picture.jpg"
    camera = StillCamera(image=lambda number: image.read_bytes())

    def make(model: Path, run: Run | None = None, wheels: Path | None = None) -> World:
        address = f"http://127.0.0.1:{camera.port}/camera.jpg"
        return World(folder, model, run and run.path, wheels, address, broker and f"127.0.0.1:{broker.port}")

    yield make
    camera.close()
    if broker is not None:
        broker.stop()
