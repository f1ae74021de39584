"""With zones and a real broker, Home Assistant finds a device for each camera, and the entities of its zones."""

from __future__ import annotations

import json
import platform
from dataclasses import replace
from pathlib import Path

import pytest

from edgeclf_runtime.config.settings import SinkSettings
from edgeclf_runtime.decision.control import ZoneControl
from edgeclf_runtime.pipeline.sinks import open_sinks
from edgeclf_runtime.sinks.sink import NO_ZONE, ZoneName
from edgeclf_runtime.sources import SourceState
from edgeclf_runtime.web.address import page_url
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


def test_home_assistant_pauses_a_zone_and_sets_its_threshold(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    listener, control = Listener(broker.port), ZoneControl()
    asked = SinkSettings(mqtt=f"mqtt://127.0.0.1:{broker.port}", mqtt_device="home")
    (sink,) = open_sinks(asked, LABELS, "m.tflite", zones=ZONES[:1], zone=ZONES[0], control=control)
    item = seen("dog")
    sink.take(replace(item, zone=ZONES[0], prediction=replace(item.prediction, threshold=0.6)))
    parts = json.loads(listener.wait("homeassistant/device/home-gate/config", bool))["cmps"]
    switch, number = parts["paused"], parts["threshold"]
    assert (switch["p"], switch["name"], switch["unique_id"]) == ("switch", "gate paused", "home-gate_paused")
    assert (number["p"], number["min"], number["max"], number["unit_of_measurement"]) == ("number", 0, 100, "%")
    template = pytest.importorskip("jinja2").Template
    shown = float(template(number["value_template"]).render(value=listener.wait(number["state_topic"], bool).decode()))
    assert shown == 60.0
    listener.wait(switch["state_topic"], lambda payload: payload == b"OFF")
    unless_paused = {"topic": switch["state_topic"], "payload_available": "OFF", "payload_not_available": "ON"}
    assert unless_paused in parts["answer"]["availability"]

    listener.send(switch["command_topic"], "ON")
    listener.wait(switch["state_topic"], lambda payload: payload == b"ON")
    assert control.paused.is_set()
    listener.send(number["command_topic"], template(number["command_template"]).render(value=85))
    listener.wait(number["state_topic"], lambda payload: payload == b"0.85")
    assert control.threshold == 0.85
    for topic, payload in (
        (switch["command_topic"], "maybe"),
        (number["command_topic"], "nan"),
        (number["command_topic"], "7"),
    ):
        listener.send(topic, payload)
    listener.send(switch["command_topic"], "OFF")  # arrives after them
    listener.wait(switch["state_topic"], lambda payload: listener.seen[switch["state_topic"]][-1] == b"OFF")
    assert (control.paused.is_set(), control.threshold) == (False, 0.85)
    assert caplog.text.count("expected 0 to 1, got") == 2

    broker.stop()
    broker.start()
    for _ in range(2):  # also on a new connection
        listener.again(switch["command_topic"], "ON", control.paused.is_set)
        control.paused.clear()
    sink.close()
    listener.close()


def test_a_camera_s_device_has_diagnostics_and_a_link_to_the_page(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgeclf_runtime.sinks.mqtt.sink.temperature", lambda: 51.5)
    listener, page = Listener(broker.port), "http://hub:8080/"
    asked = SinkSettings(mqtt=f"mqtt://127.0.0.1:{broker.port}", mqtt_device="home")
    sinks = []
    for zone in ZONES[:2]:
        is_first = zone.zone == "gate"
        sinks += open_sinks(asked, LABELS, "m", zones=ZONES, zone=zone, is_first=is_first, page=page)
        sinks[-1].take(SourceState("running", 0.0, reopened=3, camera="yard"))
    found = [json.loads(listener.wait(f"homeassistant/device/home-{name}/config", bool)) for name in ("gate", "hxf6f")]
    assert [message["dev"]["configuration_url"] for message in found] == [page] * 2
    parts, others = (message["cmps"] for message in found)
    names = ("camera_state", "reopened", "temperature")
    assert {parts[name]["entity_category"] for name in names} == {"diagnostic"}
    assert [others[name] for name in names] == [{"p": "sensor"}] * 3  # a device has them only once
    told = json.loads(listener.wait(parts["reopened"]["state_topic"], lambda payload: b"3" in payload))
    assert told == {"reopened": 3, "temperature": 51.5}
    state = json.loads(listener.wait(parts["camera_state"]["state_topic"], bool))
    template = pytest.importorskip("jinja2").Template
    assert template(parts["camera_state"]["value_template"]).render(value_json=state) == "running"
    assert template(parts["temperature"]["value_template"]).render(value_json=told) == "51.5"
    for sink in sinks:
        sink.close()
    assert "edgeclf/home/yard/hxf6f/diagnostics" not in listener.seen
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


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("", ""),
        ("8080", ""),  # only on this machine
        ("localhost:8080", ""),
        ("192.168.0.7:8080", "http://192.168.0.7:8080/"),
        ("hub.lan:8080", "http://hub.lan:8080/"),
        ("0.0.0.0:0", ""),  # a free port, not known yet
        ("[fe80::1]:8080", "http://[fe80::1]:8080/"),
    ],
)
def test_the_page_that_is_linked_is_one_that_others_reach(address: str, url: str) -> None:
    assert page_url(address) == url
    assert page_url("0.0.0.0:8443", secure=True) == f"https://{platform.node()}:8443/"
