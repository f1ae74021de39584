"""What several tests of the runtime need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeclf_runtime.sinks.snapshots import SnapshotSink
from edgeclf_runtime.web.preview import WebSink
from tests.runtime.mqtt_broker import MOSQUITTO, Broker
from tests.runtime.observations import LABELS, seen
from tests.runtime.web_client import TOKEN


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    broker = Broker(tmp_path)
    yield broker
    broker.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Snapshots: three uncertain pictures."""
    sink = SnapshotSink(tmp_path / "kept", every=0)
    for number in range(3):
        sink.take(seen("unknown", 0.5, number=number))
    return tmp_path / "kept"


@pytest.fixture
def sink(folder: Path) -> Iterator[WebSink]:
    sink = WebSink("0", "", "pets.tflite", LABELS, folder)
    yield sink
    sink.close()


@pytest.fixture
def guarded(folder: Path) -> Iterator[WebSink]:
    sink = WebSink("0.0.0.0:0", TOKEN, "pets.tflite", LABELS, folder)
    yield sink
    sink.close()
