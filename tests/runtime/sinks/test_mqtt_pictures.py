"""Images over a real broker, which may limit the packet size, or stop accepting packets for a while."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeclf_runtime.sinks import Observation
from edgeclf_runtime.sinks.mqtt.pictures import PictureTrial
from edgeclf_runtime.sinks.mqtt.sink import MqttOptions, MqttSink
from tests.runtime.mqtt_broker import MOSQUITTO, Broker, Link, Listener
from tests.runtime.observations import LABELS, seen


def _noisy(label: str, number: int) -> Observation:
    """Return an image that no JPEG quality makes small."""
    item = seen(label, number=number)
    pixels = np.random.default_rng(number).integers(0, 255, (1080, 1920, 3), dtype=np.uint8)
    assert item.prediction.frame is not None
    frame = replace(item.prediction.frame, pixels=pixels)
    return replace(item, prediction=replace(item.prediction, frame=frame))


@contextmanager
def _bounded(
    folder: Path, bytes_a_packet: int, labels: tuple[str, ...] = LABELS
) -> Iterator[tuple[Listener, MqttSink]]:
    """Run a sink at a broker with a packet limit, and return the results."""
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    broker = Broker(folder, f"max_packet_size {bytes_a_packet}\n")
    listener = Listener(broker.port)
    sink = MqttSink(MqttOptions(f"mqtt://127.0.0.1:{broker.port}", "feeder"), labels)
    try:
        yield listener, sink
    finally:
        sink.close()
        listener.close()
        broker.stop()


def test_a_brokers_bound_of_a_packet_stops_no_message(tmp_path: Path) -> None:
    with _bounded(tmp_path, 131_072) as (listener, sink):
        for number in range(6):
            sink.take(_noisy("dog" if number % 2 else "cat", number))
        image = listener.wait("edgeclf/feeder/picture", bool)
        assert len(image) <= 100_000
        assert cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR).shape == (540, 960, 3)
        listener.wait("edgeclf/feeder/state", lambda payload: b"dog" in payload)
        assert b"offline" not in listener.seen["edgeclf/feeder/available"]


def test_what_a_broker_says_it_takes_is_what_it_gets(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    labels = tuple(f"class {number}" for number in range(1000))  # they make the announcement too large for it
    with _bounded(tmp_path, 5000, labels) as (listener, sink):
        listener.wait("edgeclf/feeder/available", lambda payload: payload == b"online")
        sink.take(_noisy("dog", 0))
        assert 1000 < len(listener.wait("edgeclf/feeder/picture", bool)) < 5000
        listener.wait("edgeclf/feeder/state", lambda payload: b"dog" in payload)
        assert listener.seen["edgeclf/feeder/available"] == [b"online"]
        assert "homeassistant/device/feeder/config" not in listener.seen
        assert [record.getMessage() for record in caplog.records] == [
            f"mqtt: homeassistant/device/feeder/config is not sent: {len(json.dumps(sink._discovery()))} bytes, "
            "and the broker takes 4800"
        ]


@pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed: apt-get install mosquitto")
def test_images_that_a_broker_never_takes_are_given_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broker = Broker(tmp_path, "max_packet_size 5000\n")
    listener, link = Listener(broker.port), Link(broker.port, older=True)
    sink = MqttSink(MqttOptions(f"mqtt://127.0.0.1:{link.port}", "feeder"), LABELS)
    announced = "homeassistant/device/feeder/config"
    try:
        assert "image_topic" in json.loads(listener.wait(announced, bool))["cmps"]["picture"]
        until, number = time.monotonic() + 60, 0
        while not any("mqtt_picture = false" in record.getMessage() for record in caplog.records):
            assert time.monotonic() < until
            listener.wait("edgeclf/feeder/available", lambda payload: payload == b"online")
            sink.take(_noisy("dog" if number % 2 else "cat", number))
            number += 1
            time.sleep(0.2)
        sink.take(_noisy("owl", number))
        listener.wait("edgeclf/feeder/state", lambda payload: b"owl" in payload)
        config = listener.wait(announced, lambda payload: b"image_topic" not in payload)
        assert json.loads(config)["cmps"]["picture"] == {"p": "image"}
        assert not any(listener.seen.get("edgeclf/feeder/picture", []))
    finally:
        sink.close()
        listener.close()
        link.close()
        broker.stop()


def test_cuts_that_are_not_the_images_doing_give_up_none() -> None:
    now = [0.0]
    trial = PictureTrial(lambda: now[0])
    trial.connected()
    for _ in range(10):  # a router restarts once a week, shortly after an image
        trial.sent()
        now[0] += 1.0
        assert not trial.cut()
        now[0] += 5.0
        trial.sent()
        now[0] += 5.0
        trial.connected()
        now[0] += 604_800.0
        trial.judge()
    for _ in range(10):  # and shortly after one of many images
        for _ in range(20):
            now[0] += 0.5
            trial.sent()
        assert not trial.cut()
        trial.connected()
    trial.sent()
    now[0] += 10.0
    trial.connected()
    now[0] += 0.5
    assert trial.cut()
