"""With a real broker: Home Assistant finds the device, and both may disconnect and return."""

from __future__ import annotations

import json
import time

import cv2
import numpy as np
import pytest

from edgeclf_runtime.decision.conditions import Conditions
from edgeclf_runtime.errors import SinkError
from edgeclf_runtime.prediction import NOTHING
from edgeclf_runtime.sinks import ModelState
from edgeclf_runtime.sinks.mqtt.sink import MqttOptions, MqttSink
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
    image = listener.wait(config["cmps"]["picture"]["image_topic"], bool)
    assert cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR).shape == (48, 64, 3)
    broker.stop()
    time.sleep(0.5)
    dropped = sink.dropped
    for _ in range(300):  # more than any queue holds: the newest must arrive, and "online"
        sink.take(seen("dog"))
    until = time.monotonic() + 10
    while sink.dropped < dropped + 500:  # states and images, replaced by newer ones
        assert time.monotonic() < until, sink.dropped
        time.sleep(0.05)
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


@pytest.mark.parametrize("flips", [1, 300])  # the latter is more than any queue holds
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
    time.sleep(1)  # nothing older follows
    assert all(end in listener.seen[f"edgeclf/feeder/{topic}"][-1] for topic, end in newest.items())
    sink.close()
    while listener.seen["edgeclf/feeder/available"][-1] != b"offline":
        assert time.monotonic() < until + 20
        time.sleep(0.05)
    listener.close()
    link.close()


def test_images_that_are_not_wanted_any_more_are_taken_away(broker: Broker) -> None:
    address = f"mqtt://127.0.0.1:{broker.port}"
    sink = MqttSink(MqttOptions(address, "feeder"), LABELS)
    sink.take(seen("dog"))
    first = Listener(broker.port)
    assert first.wait("edgeclf/feeder/picture", bool)
    first.close()
    sink.close()
    listener = Listener(broker.port)
    assert listener.wait("edgeclf/feeder/picture", bool), "it stays"
    sink = MqttSink(MqttOptions(address, "feeder", snapshot=False), LABELS)
    listener.wait("edgeclf/feeder/picture", lambda payload: payload == b"")
    config = listener.wait("homeassistant/device/feeder/config", lambda payload: b"image_topic" not in payload)
    assert json.loads(config)["cmps"]["picture"] == {"p": "image"}
    sink.close()
    listener.close()


def test_an_answer_counts_while_the_process_and_its_camera_run(broker: Broker) -> None:
    listener = Listener(broker.port)
    sink = MqttSink(MqttOptions(f"mqtt://127.0.0.1:{broker.port}", "feeder", gap=40.0), LABELS)
    parts = json.loads(listener.wait("homeassistant/device/feeder/config", bool))["cmps"]
    for name in ("answer", "score", "picture"):
        assert [way["topic"] for way in parts[name]["availability"]] == [
            "edgeclf/feeder/available",
            "edgeclf/feeder/source",
        ]
        assert parts[name]["availability_mode"] == "all"
    assert parts["source"]["availability_topic"] == "edgeclf/feeder/available"
    assert (parts["answer"]["expire_after"], parts["score"]["expire_after"]) == (120, 120)
    sink.take(seen("dog"))  # from a video, which reports no states
    assert json.loads(listener.wait("edgeclf/feeder/source", bool))["state"] == "running"
    sink.take(SourceState("lost", 0.0, "pulled out"))
    listener.wait("edgeclf/feeder/source", lambda payload: b"lost" in payload)
    sink.close()
    listener.close()


def test_a_label_called_unknown_is_no_second_option(broker: Broker) -> None:
    listener = Listener(broker.port)
    sink = MqttSink(MqttOptions(f"mqtt://127.0.0.1:{broker.port}", "feeder"), ("cat", "unknown"))
    config = json.loads(listener.wait("homeassistant/device/feeder/config", bool))
    assert config["cmps"]["answer"]["options"] == ["cat", "unknown"]
    assert "expire_after" not in config["cmps"]["answer"]
    sink.close()
    listener.close()


def test_every_change_is_sent_while_the_broker_answers(broker: Broker) -> None:
    listener = Listener(broker.port)
    sink = MqttSink(MqttOptions(f"mqtt://127.0.0.1:{broker.port}", "feeder", snapshot=False), LABELS)
    listener.wait("edgeclf/feeder/available", lambda payload: payload == b"online")
    for number in range(40):
        sink.take(seen("dog" if number % 2 else "cat"))
        time.sleep(0.05)  # ten may be in transit
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


def test_familiarity_comes_and_goes_with_the_model(broker: Broker) -> None:
    listener, announced = Listener(broker.port), "homeassistant/device/feeder/config"
    options = MqttOptions(f"mqtt://127.0.0.1:{broker.port}", "feeder")
    sink = MqttSink(options, (*LABELS, NOTHING), familiarity=True)
    parts = json.loads(listener.wait(announced, bool))["cmps"]
    assert parts["familiarity"]["unique_id"] == "feeder_familiarity"
    assert parts["answer"]["options"] == ["cat", "dog", "unknown"]  # the class of nothing is not an option
    sink.take(seen(familiarity=0.01))
    state = json.loads(listener.wait("edgeclf/feeder/state", bool))
    assert list(state) == ["answer", "score", "time", "familiarity", "reason"]
    assert (state["answer"], state["familiarity"], state["reason"]) == ("unknown", 0.01, "unfamiliar")
    sink.take(seen(familiarity=0.3, conditions=Conditions(40, 0.8714, 0.03, is_unlike=True)))
    state = json.loads(listener.wait("edgeclf/feeder/state", lambda payload: b"unlike" in payload))
    assert (state["expected_accuracy"], state["unlike_training"]) == (0.871, True)
    sink.take(seen("dog"))  # a model without familiarity
    state = json.loads(listener.wait("edgeclf/feeder/state", lambda payload: b"dog" in payload))
    assert list(state) == ["answer", "score", "time"]
    taken = listener.wait(announced, lambda payload: b"feeder_familiarity" not in payload)
    assert json.loads(taken)["cmps"]["familiarity"] == {"p": "sensor"}
    sink.take(seen(familiarity=0.4))
    listener.wait("edgeclf/feeder/state", lambda payload: b"0.4" in payload)
    assert b"feeder_familiarity" in listener.seen[announced][-1]
    assert len(listener.seen[announced]) == 3
    sink.close()
    listener.close()
