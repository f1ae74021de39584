"""What Home Assistant is told to find a device by itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from edgeclf_runtime import __version__

__all__ = ["discovery"]


def discovery(
    device: str, name: str, base: str, answers: Sequence[str], picture: bool, expires: int = 0
) -> dict[str, Any]:
    """Its device discovery: one message for all entities.

    Args:
        device: id of the device.
        name: of it, for people.
        base: what its topics begin with.
        answers: the answer's possible values; of those that differ in capitals alone, the first stands for all.
        image: whether images are sent.
        expires: seconds after which an answer that was not sent again is none any more; 0 for never.
    """
    runs = {"topic": f"{base}/available"}
    sees = {
        "topic": f"{base}/source",
        "value_template": "{{ 'online' if value_json.state == 'running' else 'offline' }}",
    }
    # What is seen counts while the process runs and its camera does; how the camera does, while the process runs.
    seen: dict[str, Any] = {"availability": [runs, sees], "availability_mode": "all"}
    parts: dict[str, Any] = {
        "answer": {
            **seen,
            **({"expire_after": expires} if expires else {}),
            "p": "sensor",
            "name": "Answer",
            "unique_id": f"{device}_answer",
            "state_topic": f"{base}/state",
            "value_template": _answer_template(answers),
            "device_class": "enum",
            "options": list(_options(answers).values()),
        },
        "score": {
            **seen,
            **({"expire_after": expires} if expires else {}),
            "p": "sensor",
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
    parts["picture"] = {"p": "image"}  # alone it takes away the entity that an earlier run announced
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
    """The answers by their names without capitals, each once."""
    options: dict[str, str] = {}
    for answer in answers:
        options.setdefault(answer.casefold(), answer)
    return options


def _answer_template(answers: Sequence[str]) -> str:
    """How an option is read from a message: Home Assistant refuses a value that is none of them."""
    options = _options(answers)
    others = {answer: options[answer.casefold()] for answer in answers if answer not in options.values()}
    if not others:
        return "{{ value_json.answer }}"
    return f"{{{{ {json.dumps(others, ensure_ascii=False)}.get(value_json.answer, value_json.answer) }}}}"
