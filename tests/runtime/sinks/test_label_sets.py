"""Sinks that get several labels per image."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeclf_runtime.config.settings import SinkSettings
from edgeclf_runtime.decision.decision import DecisionRule
from edgeclf_runtime.decision.label_sets import LabelSetDecider
from edgeclf_runtime.errors import SinkError
from edgeclf_runtime.pipeline.sinks import open_sinks
from edgeclf_runtime.sinks import ModelState, Observation
from edgeclf_runtime.sinks.calls import CommandSink
from edgeclf_runtime.sinks.lines import CsvSink, JsonLinesSink, as_text
from edgeclf_runtime.sinks.metrics import Figures
from edgeclf_runtime.sinks.mqtt.sink import MqttOptions, MqttSink
from edgeclf_runtime.web.status import Status
from tests.runtime.mqtt_broker import Broker, Listener
from tests.runtime.observations import seen

LABELS = ("cup", "fork", "plate")
ROWS = (0.9, 0.1, 0.1), (0.9, 0.8, 0.1), (0.1, 0.8, 0.1), (0.1, 0.2, 0.1)


def _observations(labels: tuple[str, ...] = LABELS) -> list[Observation]:
    decider, items = LabelSetDecider(DecisionRule()), []
    for number, row in enumerate(ROWS):
        item = seen(number=number)
        scores = np.array(row, np.float32)
        prediction = replace(item.prediction, scores=scores, labels=labels, label_thresholds=(0.5, 0.5, 0.5))
        items.append(replace(item, prediction=prediction, decision=decider.decide(prediction, 0.1 * number)))
    return items


def test_lines_name_all_labels(tmp_path: Path) -> None:
    sinks = JsonLinesSink(tmp_path / "a.jsonl"), CsvSink(tmp_path / "a.csv")
    for sink in sinks:
        for item in _observations():
            sink.take(item)
        sink.close()
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text("utf-8").splitlines()]
    assert [line["answers"] for line in lines] == [["cup"], ["cup", "fork"], ["fork"], []]
    assert [line["answer"] for line in lines] == ["cup", "cup|fork", "fork", "_none"]
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        assert [row["answer"] for row in csv.DictReader(file)] == ["cup", "cup|fork", "fork", "_none"]
    assert "  [cup|fork]  cup 90.0%  fork 80.0%" in as_text(_observations()[1], 2)


def test_metrics_count_each_label_and_say_which_are_there() -> None:
    figures = Figures()
    figures.take(seen())
    assert b"edgeclf_label_present" not in figures.text()
    for item in _observations():
        figures.take(item)
    text = figures.text().decode()
    counts = {line.split('"')[1]: float(line.split()[-1]) for line in text.splitlines() if "frames_total{" in line}
    assert counts == {"cat": 1, "cup": 2, "fork": 2, "_none": 1}
    assert 'edgeclf_label_present{label="fork"} 0.0' in text
    figures.take(_observations()[1])
    text = figures.text().decode()
    assert 'edgeclf_label_present{label="fork"} 1.0' in text
    assert 'edgeclf_label_present{label="plate"} 0.0' in text


def test_the_page_gets_all_labels() -> None:
    status = Status("model", LABELS)
    status.take(_observations()[1])
    told = status.now()
    assert (told["answers"], told["answer"], told["sure"]) == (["cup", "fork"], "cup|fork", True)
    status.take(seen())
    assert "answers" not in status.now()


def test_a_command_is_called_when_one_of_its_labels_appears() -> None:
    sink = CommandSink("true", ("fork", "plate"))
    assert [sink.heeds(item) for item in _observations()] == [False, True, False, False]
    assert all(CommandSink("true").heeds(item) for item in _observations())
    sink.close()


def test_snapshots_are_refused() -> None:
    with pytest.raises(SinkError, match="snapshots kept: a folder has one label, but the model has several an image"):
        open_sinks(SinkSettings(snapshots="kept"), LABELS, "model", several_labels=True)


def _shown(part: dict[str, Any], state: dict[str, Any]) -> str:
    jinja2 = pytest.importorskip("jinja2")
    return str(jinja2.Template(part["value_template"]).render(value_json=state))


def test_home_assistant_has_a_binary_sensor_for_each_label(broker: Broker) -> None:
    listener, announced = Listener(broker.port), "homeassistant/device/table/config"
    labels = ("cup", "fork", 'a "b" {{ c }}')
    options = MqttOptions(f"mqtt://127.0.0.1:{broker.port}", "table", snapshot=False)
    sink = MqttSink(options, labels, several_labels=True)
    parts = json.loads(listener.wait(announced, bool))["cmps"]
    sensors = {part["name"]: part for part in parts.values() if part.get("unique_id", "").startswith("table_label_")}
    assert list(sensors) == list(labels)
    assert {part["p"] for part in sensors.values()} == {"binary_sensor"}
    assert "options" not in parts["answer"]
    sink.take(_observations()[1])
    state = json.loads(listener.wait(sensors["cup"]["state_topic"], bool))
    assert (state["answer"], state["answers"]) == ("cup|fork", ["cup", "fork"])
    assert [_shown(part, state) for part in sensors.values()] == ["ON", "ON", "OFF"]
    assert _shown(sensors[labels[2]], {"answers": [labels[2]]}) == "ON"
    assert _shown(sensors["cup"], {"answer": "unknown"}) == "OFF"
    assert [_shown(parts["answer"], one) for one in (state, {"answers": []})] == ["cup, fork", "none"]
    sink.take(ModelState("adopted", "model.tflite", ("cup", "spoon")))
    later = json.loads(listener.wait(announced, lambda payload: b"spoon" in payload))["cmps"]
    gone = [key for key, part in parts.items() if part.get("name") == "fork"]
    assert later[gone[0]] == {"p": "binary_sensor"}
    assert [key for key, part in later.items() if part.get("name") == "cup"] == [
        key for key, part in parts.items() if part.get("name") == "cup"
    ]
    sink.close()
    listener.close()
