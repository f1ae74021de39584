"""Home Assistant's discovery for zones: a device for each camera, with the entities of its zones."""

from __future__ import annotations

from typing import Any

from edgeclf_runtime.sinks.mqtt.options import MqttOptions

__all__ = ["of_zone"]


def of_zone(message: dict[str, Any], options: MqttOptions) -> dict[str, Any]:
    """Return a discovery message for a zone of a camera.

    Messages of several zones that name the same device add their entities to it.

    Args:
        message: as ``home_assistant.discovery`` gives it.
        options: of the zone.
    """
    camera, zone = options.zone
    parts = {name: {**part, **_named(part, zone)} for name, part in message["cmps"].items()}
    if options.tells_camera:
        parts["source"] |= {"name": "Camera", "unique_id": f"{options.group}_camera"}
    else:
        parts["source"] = {"p": "binary_sensor"}  # without more keys it removes the entity
    device = {**message["dev"], "ids": [options.group], "name": f"{options.name} {camera}"}
    return {**message, "dev": device, "cmps": parts}


def _named(part: dict[str, Any], zone: str) -> dict[str, str]:
    return {"name": f"{zone} {part['name'].lower()}"} if "name" in part else {}
