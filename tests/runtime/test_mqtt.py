"""Over a real broker: Home Assistant finds the device, and both may go and come."""

from __future__ import annotations

import json
import socket
import time

import cv2
import numpy as np
import pytest

from edgeclf_runtime.errors import SinkError
from edgeclf_runtime.sinks import ModelState
from edgeclf_runtime.sinks.mqtt import MqttOptions, MqttSink
from edgeclf_runtime.sources import SourceState
from tests.runtime.mqtt_broker import Broker, Link, Listener
from tests.runtime.observations import LABELS, seen


def test_home_assistant_finds_the_device_and_a_broker_may_go_and_come(broker: Broker) -> None:
    listener = Listener(broker.port)
    sink = MqttSink(MqttOptions(f"mqtt://user:secret@127.0.0.1:{broker.port}", "feeder", "Bird feeder"), LABELS)
    assert "secret" not in sink.name
    config = json.loads(listener.wait("homeassistant/device/feeder/config", bool))
    assert config["dev"]["ids"] == ["feeder"]
    assert config["cmps"]["answer"]["options"] == ["cat", "dog", "unknown"]
    assert all(part["p"] and part["unique_id"] for part in config["cmps"].values())
    listener.wait("edgeclf/feeder/available", lambda payload: payload == b"online")
    sink.take(seen("dog"))
    state = json.loads(listener.wait(config["cmps"]["answer"]["state_topic"], bool))
    assert state["answer"] == "dog"
    picture = listener.wait(config["cmps"]["picture"]["image_topic"], bool)
    assert cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR).shape == (48, 64, 3)
    broker.stop()
    time.sleep(0.5)
    for _ in range(300):  # more than any queue holds: the newest must come, and "online"
        sink.take(seen("dog"))
    sink.take(seen("cat"))
    listener.seen.clear()
    broker.start()
    listener.wait("edgeclf/feeder/available", lambda payload: payload == b"online")
    listener.wait("edgeclf/feeder/state", lambda payload: b"cat" in payload)
    sink.close()
    listener.wait("edgeclf/feeder/available", lambda payload: payload == b"offline")
    listener.close()
    with pytest.raises(SinkError, match="expected letters, digits"):
        MqttOptions("mqtt://host", "a/b")
    with pytest.raises(SinkError, match=r"without \+ and #"):
        MqttOptions("mqtt://host", discovery="homeassistant/#")


@pytest.mark.parametrize("flips", [1, 300])  # the latter more than any queue holds
def test_after_a_link_that_stalled_the_newest_messages_stay(broker: Broker, flips: int) -> None:
    listener, link = Listener(broker.port), Link(broker.port)
    sink = MqttSink(MqttOptions(f"mqtt://127.0.0.1:{link.port}", "feeder"), LABELS)
    listener.wait("edgeclf/feeder/available", lambda payload: payload == b"online")
    link.stall()
    for number in range(flips):
        sink.take(SourceState("lost", 0.0, str(number)))
        sink.take(seen("dog"))
    time.sleep(0.5)
    link.cut()
    listener.wait("edgeclf/feeder/available", lambda payload: payload == b"offline")
    sink.take(SourceState("running", 0.0, "at last"))
    sink.take(seen("cat"))
    newest = {"available": b"online", "source": b"at last", "state": b"cat"}
    until = time.monotonic() + 20
    while not all(end in listener.seen.get(f"edgeclf/feeder/{topic}", [b""])[-1] for topic, end in newest.items()):
        assert time.monotonic() < until, listener.seen
        time.sleep(0.05)
    time.sleep(1)  # nothing older comes behind
    assert all(end in listener.seen[f"edgeclf/feeder/{topic}"][-1] for topic, end in newest.items())
    sink.close()
    while listener.seen["edgeclf/feeder/available"][-1] != b"offline":
        assert time.monotonic() < until + 20
        time.sleep(0.05)
    listener.close()
    link.close()


def test_every_change_is_sent_while_the_broker_answers(broker: Broker) -> None:
    listener = Listener(broker.port)
    sink = MqttSink(MqttOptions(f"mqtt://127.0.0.1:{broker.port}", "feeder", snapshot=False), LABELS)
    listener.wait("edgeclf/feeder/available", lambda payload: payload == b"online")
    for number in range(40):
        sink.take(seen("dog" if number % 2 else "cat"))
        time.sleep(0.05)  # ten may be on their way
    sink.close()
    listener.wait("edgeclf/feeder/available", lambda payload: payload == b"offline")
    answers = [json.loads(payload)["answer"] for payload in listener.seen["edgeclf/feeder/state"]]
    assert answers == ["cat", "dog"] * 20
    listener.close()


def test_home_assistant_gets_the_labels_of_another_model(broker: Broker) -> None:
    listener = Listener(broker.port)
    sink = MqttSink(MqttOptions(f"mqtt://127.0.0.1:{broker.port}", "feeder"), LABELS)
    listener.wait("edgeclf/feeder/available", lambda payload: payload == b"online")
    sink.take(ModelState("refused", "model.tflite", LABELS, "cut"))
    assert json.loads(listener.wait("edgeclf/feeder/model", bool)) == {"state": "refused", "reason": "cut"}
    sink.take(ModelState("adopted", "model.tflite", ("owl", "cat")))
    listener.wait("edgeclf/feeder/model", lambda payload: b"adopted" in payload)
    config = listener.wait("homeassistant/device/feeder/config", lambda payload: b"owl" in payload)
    assert json.loads(config)["cmps"]["answer"]["options"] == ["owl", "cat", "unknown"]
    assert len(listener.seen["homeassistant/device/feeder/config"]) == 2
    sink.close()
    listener.close()


def test_a_broker_that_cannot_be_reached_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        sink = MqttSink(MqttOptions(f"mqtt://127.0.0.1:{taken.getsockname()[1]}", "feeder"), LABELS)
        failed, tries = sink._client.on_connect_fail, []
        sink._client.on_connect_fail = lambda *words: (tries.append(words), failed(*words))
        until = time.monotonic() + 30
        while len(tries) < 2:
            assert time.monotonic() < until
            time.sleep(0.1)
        sink.close()
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1, told
    assert "cannot be reached" in told[0]
    assert "refused" in told[0].lower()


@pytest.mark.parametrize("end", ["user:12#34@host", "user:1?2@host", "host/topic", "home..local", ":1883", "host:x"])
def test_an_address_that_would_lead_elsewhere_is_refused(end: str) -> None:
    with pytest.raises(SinkError, match="# as %23"):
        MqttOptions(f"mqtt://{end}")
