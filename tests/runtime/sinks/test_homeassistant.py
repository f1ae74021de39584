"""The discovery messages and states sent to Home Assistant."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edgeclf_runtime.sinks.mqtt.home_assistant import discovery
from tests.runtime.observations import LABELS


def test_answers_that_differ_in_capitals_alone_are_one_option() -> None:
    template = pytest.importorskip("jinja2").Template
    answers = ["cat", 'Unknown "dog"', "Unknown", "unknown", "CAT", 'unknown "dog"']
    answer = discovery("feeder", "Feeder", "edgeclf/feeder", answers, picture=False)["cmps"]["answer"]
    assert answer["options"] == ["cat", 'Unknown "dog"', "Unknown"]
    shown = [template(answer["value_template"]).render(value_json={"answer": one}) for one in answers]
    assert shown == ["cat", 'Unknown "dog"', "Unknown", "Unknown", "cat", 'Unknown "dog"']
    plain = discovery("feeder", "Feeder", "edgeclf/feeder", ["cat", "unknown"], picture=False)["cmps"]["answer"]
    assert (plain["options"], plain["value_template"]) == (["cat", "unknown"], "{{ value_json.answer }}")


def test_familiarity_is_an_entity_of_models_that_have_it() -> None:
    template = pytest.importorskip("jinja2").Template

    def parts(familiarity: bool | None) -> dict[str, Any]:
        message = discovery("feeder", "Feeder", "edgeclf/feeder", LABELS, True, 90, familiarity)
        return dict(message["cmps"])

    plain, familiar = parts(None), parts(True)
    assert "familiarity" not in plain
    assert {name: part["unique_id"] for name, part in plain.items()} == {
        name: part["unique_id"] for name, part in familiar.items() if name in plain
    }
    added = familiar["familiarity"]
    assert (added["unique_id"], added["unit_of_measurement"]) == ("feeder_familiarity", "%")
    assert (added["entity_category"], added["expire_after"]) == ("diagnostic", 90)
    assert parts(False)["familiarity"] == {"p": "sensor"}
    states = ({"familiarity": 0.0123, "reason": "unfamiliar"}, {"familiarity": 0.5, "reason": None}, {"answer": "cat"})
    shown = [template(added["value_template"]).render(value_json=state) for state in states]
    assert shown == ["1.2", "50.0", "None"]
    attributes = familiar["answer"]["json_attributes_template"]
    found = [json.loads(template(attributes).render(value_json=state)) for state in states]
    assert found == [{"reason": "unfamiliar"}, {"reason": None}, {"reason": None}]
    same = {key: value for key, value in familiar["answer"].items() if not key.startswith("json_")}
    assert same == plain["answer"]


def test_a_camera_that_sees_unlike_images_is_a_problem_entity() -> None:
    template = pytest.importorskip("jinja2").Template
    parts = discovery("feeder", "Feeder", "edgeclf/feeder", LABELS, True, 90, True)["cmps"]
    unlike, expected = parts["unlike_training"], parts["expected_accuracy"]
    assert (unlike["p"], unlike["device_class"], expected["p"]) == ("binary_sensor", "problem", "sensor")
    states = (
        {"unlike_training": True, "expected_accuracy": 0.871},
        {"unlike_training": False, "expected_accuracy": None},
        {"answer": "cat"},  # from an earlier model
    )
    templates = [template(part["value_template"]) for part in (unlike, expected)]
    shown = [[one.render(value_json=state) for state in states] for one in templates]
    assert shown == [["ON", "OFF", "OFF"], ["87.0", "None", "None"]]
    removed = discovery("feeder", "Feeder", "edgeclf/feeder", LABELS, True, 90, False)["cmps"]
    assert (removed["unlike_training"], removed["expected_accuracy"]) == ({"p": "binary_sensor"}, {"p": "sensor"})
