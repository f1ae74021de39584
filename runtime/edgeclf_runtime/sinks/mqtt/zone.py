"""Home Assistant's discovery for zones: a device for each camera, with the entities of its zones."""

from __future__ import annotations

from typing import Any

from edgeclf_runtime.sinks.mqtt.options import MqttOptions

__all__ = ["of_zone"]

_OF_CAMERA = {"camera_state": "sensor", "reopened": "sensor", "temperature": "sensor"}
_PERCENT = "{{ (value | float * 100) | round(1) }}"


def of_zone(message: dict[str, Any], options: MqttOptions, controls: bool, has_temperature: bool) -> dict[str, Any]:
    """Return a discovery message for a zone of a camera.

    Messages of several zones that name the same device add their entities to it.

    Args:
        message: as ``home_assistant.discovery`` gives it.
        options: options of the zone.
        controls: whether the zone can be paused and its threshold set.
        has_temperature: whether this machine reports its temperature.
    """
    camera, zone = options.zone
    parts: dict[str, Any] = message["cmps"]
    if controls:
        parts = {name: _unless_paused(part, options.topics) for name, part in parts.items()} | _controls(options)
    parts = {name: {**part, **_named(part, zone)} for name, part in parts.items()}
    if options.tells_camera:
        parts["source"] |= {"name": "Camera", "unique_id": f"{options.group}_camera"}
        diagnostics = _diagnostics(options)
        parts |= {name: diagnostics[name] for name in _OF_CAMERA if has_temperature or name != "temperature"}
    else:  # a part without more keys removes the entity
        parts["source"] = {"p": "binary_sensor"}
        parts |= {name: {"p": kind} for name, kind in _OF_CAMERA.items()}
    device = {**message["dev"], "ids": [options.group], "name": f"{options.name} {camera}"}
    if options.page:
        device["configuration_url"] = options.page
    return {**message, "dev": device, "cmps": parts}


def _named(part: dict[str, Any], zone: str) -> dict[str, str]:
    return {"name": f"{zone} {part['name'].lower()}"} if "name" in part else {}


def _unless_paused(part: dict[str, Any], base: str) -> dict[str, Any]:
    if "availability" not in part:
        return part
    runs = {"topic": f"{base}/paused", "payload_available": "OFF", "payload_not_available": "ON"}
    return {**part, "availability": [*part["availability"], runs]}


def _controls(options: MqttOptions) -> dict[str, Any]:
    """Return the switch that pauses a zone, and the number for its threshold."""
    base = options.topics
    runs = {"availability_topic": f"{base}/available"}
    return {
        "paused": {
            **runs,
            "p": "switch",
            "name": "Paused",
            "unique_id": f"{options.entity}_paused",
            "state_topic": f"{base}/paused",
            "command_topic": f"{base}/paused/set",
        },
        "threshold": {
            **runs,
            "p": "number",
            "name": "Threshold",
            "unique_id": f"{options.entity}_threshold",
            "state_topic": f"{base}/threshold",
            "value_template": _PERCENT,
            "command_topic": f"{base}/threshold/set",
            "command_template": "{{ value / 100 }}",
            "min": 0,
            "max": 100,
            "step": 1,
            "mode": "box",
            "unit_of_measurement": "%",
            "entity_category": "config",
        },
    }


def _diagnostics(options: MqttOptions) -> dict[str, Any]:
    """Return the diagnostic entities of a camera's device."""
    base, group = options.topics, options.group
    common = {"p": "sensor", "availability_topic": f"{base}/available", "entity_category": "diagnostic"}
    return {
        "camera_state": {
            **common,
            "name": "Camera state",
            "unique_id": f"{group}_camera_state",
            "state_topic": f"{base}/source",
            "value_template": "{{ value_json.state }}",
            "json_attributes_topic": f"{base}/source",
            "json_attributes_template": "{{ {'reason': value_json.reason} | tojson }}",
        },
        "reopened": {
            **common,
            "name": "Camera reopened",
            "unique_id": f"{group}_camera_reopened",
            "state_topic": f"{base}/diagnostics",
            "value_template": "{{ value_json.reopened }}",
            "state_class": "total_increasing",
        },
        "temperature": {
            **common,
            "name": "Processor temperature",
            "unique_id": f"{group}_processor_temperature",
            "state_topic": f"{base}/diagnostics",
            "value_template": "{{ value_json.temperature if value_json.temperature is number else 'None' }}",
            "device_class": "temperature",
            "state_class": "measurement",
            "unit_of_measurement": "°C",
        },
    }
