"""Home Assistant's discovery for a model with several labels per image: a binary sensor for each label."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

__all__ = ["with_label_sensors"]

# A state is at most 255 characters long in Home Assistant.
_ANSWERS = "{{ (value_json.answers | default([]) | join(', ') | truncate(250, true)) or 'none' }}"


def with_label_sensors(
    message: dict[str, Any], device: str, labels: Sequence[str], gone: Collection[str]
) -> dict[str, Any]:
    """Return a discovery message with a binary sensor for each label, instead of the list of possible answers.

    Args:
        message: the result of ``home_assistant.discovery``.
        device: id of the device.
        labels: labels of the model.
        gone: labels that this run announced for an earlier model, whose sensors are removed.
    """
    answer = {key: value for key, value in message["cmps"]["answer"].items() if key not in ("device_class", "options")}
    shared = {key: value for key, value in answer.items() if key not in ("name", "unique_id", "value_template")}
    sensors = {
        _key(label): {
            **shared,
            "p": "binary_sensor",
            "name": label,
            "unique_id": f"{device}_{_key(label)}",
            "value_template": f"{{{{ 'ON' if {json.dumps(label)} in value_json.answers | default([]) else 'OFF' }}}}",
        }
        for label in labels
    }
    removed = {_key(label): {"p": "binary_sensor"} for label in gone}
    parts = {**message["cmps"], "answer": {**answer, "value_template": _ANSWERS}, **sensors, **removed}
    return {**message, "cmps": parts}


def _key(label: str) -> str:
    """Return a key that does not depend on a model's other labels."""
    import hashlib

    return f"label_{hashlib.sha256(label.encode()).hexdigest()[:12]}"
