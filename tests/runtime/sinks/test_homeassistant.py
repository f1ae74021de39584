"""What Home Assistant is told of answers."""

from __future__ import annotations

import pytest

from edgeclf_runtime.sinks.mqtt.home_assistant import discovery


def test_answers_that_differ_in_capitals_alone_are_one_option() -> None:
    template = pytest.importorskip("jinja2").Template
    answers = ["cat", 'Unknown "dog"', "Unknown", "unknown", "CAT", 'unknown "dog"']
    answer = discovery("feeder", "Feeder", "edgeclf/feeder", answers, picture=False)["cmps"]["answer"]
    assert answer["options"] == ["cat", 'Unknown "dog"', "Unknown"]
    shown = [template(answer["value_template"]).render(value_json={"answer": one}) for one in answers]
    assert shown == ["cat", 'Unknown "dog"', "Unknown", "Unknown", "cat", 'Unknown "dog"']
    plain = discovery("feeder", "Feeder", "edgeclf/feeder", ["cat", "unknown"], picture=False)["cmps"]["answer"]
    assert (plain["options"], plain["value_template"]) == (["cat", "unknown"], "{{ value_json.answer }}")
