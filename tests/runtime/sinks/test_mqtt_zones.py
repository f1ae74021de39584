"""Over a real broker: with zones, Home Assistant finds a device for each camera, and the entities of its zones."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from edgeclf_runtime.config.settings import SinkSettings
from edgeclf_runtime.pipeline.sinks import open_sinks
from edgeclf_runtime.sinks.sink import NO_ZONE, ZoneName
from tests.runtime.mqtt_broker import Broker, Listener
from tests.runtime.observations import LABELS, seen

ZONES = (ZoneName("yard", "gate"), ZoneName("yard", "höf"), ZoneName("belt", "parts"))


def test_a_camera_is_a_device_and_its_zones_are_entities(broker: Broker, tmp_path: Path) -> None:
    listener = Listener(broker.port)
    asked = SinkSettings(mqtt=f"mqtt://127.0.0.1:{broker.port}", mqtt_device="home", mqtt_name="Home")
    sinks = []
    for zone in ZONES:
        is_first = zone.zone != "höf"
        sinks += open_sinks(asked, LABELS, "m.tflite", familiarity=True, zones=ZONES, zone=zone, is_first=is_first)
    for sink, zone in zip(sinks, ZONES, strict=True):
        sink.take(replace(seen("dog", familiarity=0.5), zone=zone))
    ids = {"gate": "home-gate", "höf": "home-hxf6f", "parts": "home-parts"}
    found = {name: json.loads(listener.wait(f"homeassistant/device/{ids[name]}/config", bool)) for name in ids}
    devices = {name: (message["dev"]["ids"], message["dev"]["name"]) for name, message in found.items()}
    assert devices == {
        "gate": (["home-yard"], "Home yard"),
        "höf": (["home-yard"], "Home yard"),
        "parts": (["home-belt"], "Home belt"),
    }
    unique = [part["unique_id"] for message in found.values() for part in message["cmps"].values() if "name" in part]
    assert len(unique) == len(set(unique))
    names = {name: sorted(part["name"] for part in found[name]["cmps"].values() if "name" in part) for name in ids}
    assert {"Camera", "gate answer", "gate score", "gate familiarity", "gate picture"} <= set(names["gate"])
    assert "Camera" not in names["höf"]
    for zone in ZONES:
        parts = found[zone.zone]["cmps"]
        state = json.loads(listener.wait(parts["answer"]["state_topic"], bool))
        assert state["answer"] == "dog"
        assert listener.wait(parts["picture"]["image_topic"], bool)[:2] == b"\xff\xd8"
    for sink in sinks:
        sink.close()
    listener.wait("edgeclf/home/yard/gate/available", lambda payload: payload == b"offline")
    listener.close()


def test_ids_and_topics_without_zones_stay(broker: Broker) -> None:
    listener = Listener(broker.port)
    asked = SinkSettings(mqtt=f"mqtt://127.0.0.1:{broker.port}", mqtt_device="home")
    (sink,) = open_sinks(asked, LABELS, "m.tflite", zone=NO_ZONE)
    message = json.loads(listener.wait("homeassistant/device/home/config", bool))
    assert message["dev"]["ids"] == ["home"]
    assert {name: part["unique_id"] for name, part in message["cmps"].items()} == {
        name: f"home_{name}" for name in message["cmps"]
    }
    assert message["cmps"]["answer"]["state_topic"] == "edgeclf/home/state"
    sink.close()
    listener.close()
