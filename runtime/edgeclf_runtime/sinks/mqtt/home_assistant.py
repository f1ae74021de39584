"""Home Assistant's MQTT discovery: the message that makes it add a device by itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from edgeclf_runtime import __version__

__all__ = ["discovery"]

# A message of an earlier model may lack the keys; "None" is Home Assistant's word for an unknown state.
_OF_FAMILIARITY = {"familiarity": "sensor", "expected_accuracy": "sensor", "unlike_training": "binary_sensor"}
_FAMILIARITY = "{{ (value_json.familiarity * 100) | round(1) if value_json.familiarity is number else 'None' }}"
_EXPECTED = "{{ (value_json.expected_accuracy * 100) | round if value_json.expected_accuracy is number else 'None' }}"
_UNLIKE = "{{ 'ON' if value_json.unlike_training is true else 'OFF' }}"
_ATTRIBUTES = "{{ {'reason': value_json.reason | default(none)} | tojson }}"


def discovery(
    device: str,
    name: str,
    base: str,
    answers: Sequence[str],
    picture: bool,
    expires: int = 0,
    familiarity: bool | None = None,
) -> dict[str, Any]:
    """Return the discovery message for a device with all its entities.

    Args:
        device: id of the device.
        name: display name of the device.
        base: prefix of its topics.
        answers: possible answers; if some differ only in case, the first represents them all.
        picture: whether images are sent.
        expires: seconds after which an answer that was not repeated becomes unavailable; 0 for never.
        familiarity: whether the model has familiarity; False also removes the entities that this run announced for an
            earlier model.
    """
    runs = {"topic": f"{base}/available"}
    sees = {
        "topic": f"{base}/source",
        "value_template": "{{ 'online' if value_json.state == 'running' else 'offline' }}",
    }
    # An answer is valid while the process and its camera run; the camera's state is valid while the process runs.
    seen: dict[str, Any] = {"availability": [runs, sees], "availability_mode": "all"}
    answered = {**seen, **({"expire_after": expires} if expires else {}), "p": "sensor"}
    parts: dict[str, Any] = {
        "answer": {
            **answered,
            "name": "Answer",
            "unique_id": f"{device}_answer",
            "state_topic": f"{base}/state",
            "value_template": _answer_template(answers),
            "device_class": "enum",
            "options": list(_options(answers).values()),
        },
        "score": {
            **answered,
            "name": "Score",
            "unique_id": f"{device}_score",
            "state_topic": f"{base}/state",
            "value_template": "{{ (value_json.score * 100) | round(1) }}",
            "unit_of_measurement": "%",
        },
        "source": {
            "availability_topic": f"{base}/available",
            "p": "binary_sensor",
            "name": "Camera",
            "unique_id": f"{device}_source",
            "state_topic": f"{base}/source",
            "value_template": "{{ 'ON' if value_json.state == 'running' else 'OFF' }}",
            "device_class": "connectivity",
        },
    }
    if familiarity:
        parts["answer"] |= {"json_attributes_topic": f"{base}/state", "json_attributes_template": _ATTRIBUTES}
        parts["familiarity"] = {
            **answered,
            "name": "Familiarity",
            "unique_id": f"{device}_familiarity",
            "state_topic": f"{base}/state",
            "value_template": _FAMILIARITY,
            "unit_of_measurement": "%",
            "entity_category": "diagnostic",
        }
        parts["expected_accuracy"] = {
            **answered,
            "name": "Expected accuracy",
            "unique_id": f"{device}_expected_accuracy",
            "state_topic": f"{base}/state",
            "value_template": _EXPECTED,
            "unit_of_measurement": "%",
            "entity_category": "diagnostic",
        }
        parts["unlike_training"] = {
            **answered,
            "p": "binary_sensor",
            "name": "Images unlike the training",
            "unique_id": f"{device}_unlike_training",
            "state_topic": f"{base}/state",
            "value_template": _UNLIKE,
            "device_class": "problem",
            "entity_category": "diagnostic",
        }
    elif familiarity is not None:
        parts |= {name: {"p": kind} for name, kind in _OF_FAMILIARITY.items()}
    parts["picture"] = {"p": "image"}  # without more keys it removes the entity that an earlier run announced
    if picture:
        parts["picture"] |= {
            **seen,
            "name": "Picture",
            "unique_id": f"{device}_picture",
            "image_topic": f"{base}/picture",
            "content_type": "image/jpeg",
        }
    return {
        "dev": {"ids": [device], "name": name, "mf": "edgeclf", "sw": __version__},
        "o": {"name": "edgeclf", "sw": __version__},
        "cmps": parts,
        "qos": 1,
    }


def _options(answers: Sequence[str]) -> dict[str, str]:
    """Return the answers by their lower-case names, each once."""
    options: dict[str, str] = {}
    for answer in answers:
        options.setdefault(answer.casefold(), answer)
    return options


def _answer_template(answers: Sequence[str]) -> str:
    """Return the template that reads an answer from a message; Home Assistant refuses values that are not options."""
    options = _options(answers)
    others = {answer: options[answer.casefold()] for answer in answers if answer not in options.values()}
    if not others:
        return "{{ value_json.answer }}"
    return f"{{{{ {json.dumps(others, ensure_ascii=False)}.get(value_json.answer, value_json.answer) }}}}"
