"""Lines, metrics and commands name the camera and the zone; without zones they stay as they were."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from edgeclf_runtime.config.settings import SinkSettings
from edgeclf_runtime.pipeline.sinks import open_sinks
from edgeclf_runtime.sinks.item_json import as_json
from edgeclf_runtime.sinks.lines import CsvSink
from edgeclf_runtime.sinks.metrics import Figures
from edgeclf_runtime.sinks.sink import ZoneName
from edgeclf_runtime.sources import SourceState
from tests.runtime.observations import LABELS, seen

GATE, PARTS = ZoneName("yard", "gate"), ZoneName("belt", "parts")


def test_metrics_have_the_labels_of_camera_and_zone() -> None:
    pytest.importorskip("prometheus_client")
    figures, plain = Figures(zones=True), Figures()
    for number in range(3):
        figures.take(replace(seen("dog", familiarity=0.5), zone=GATE))
        plain.take(seen("dog", number=number))
    figures.take(replace(seen("cat"), zone=PARTS))  # a model without familiarity
    figures.take(SourceState("running", 0.0, camera="yard"))
    text = figures.text().decode()
    assert 'edgeclf_frames_total{answer="dog",camera="yard",zone="gate"} 3.0' in text
    assert 'edgeclf_frames_total{answer="cat",camera="belt",zone="parts"} 1.0' in text
    assert 'edgeclf_source_up{camera="yard"} 1.0' in text
    assert 'edgeclf_familiarity{camera="yard",zone="gate"} 0.5' in text
    assert 'edgeclf_familiarity{camera="belt"' not in text
    assert 'edgeclf_frames_total{answer="dog"} 3.0' in plain.text().decode()


def test_a_row_of_any_model_fits_one_header_and_one_that_was_cut_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "seen.csv"
    for _ in range(2):
        sink = CsvSink(path, zones=True)
        sink.take(replace(seen("dog", familiarity=0.5), zone=GATE))
        sink.take(replace(seen("cat"), zone=PARTS))
        sink.close()
    whole = path.read_text("utf-8")
    assert len(whole.splitlines()) == 5
    assert whole.splitlines()[2].startswith("belt,parts,")
    assert whole.splitlines()[2].endswith(",cat,0.900000,,,1")
    path.write_text(whole[:-3], "utf-8")  # the power went off
    CsvSink(path, zones=True).close()
    assert path.read_text("utf-8").splitlines() == whole.splitlines()[:4]
    assert not (tmp_path / "seen.csv.1").exists()


def test_a_command_gets_the_zone_and_a_line_has_it(tmp_path: Path) -> None:
    asked = SinkSettings(command=f"sh -c 'echo \"$EDGECLF_CAMERA/$EDGECLF_ZONE\" > {tmp_path}/called'")
    (sink,) = open_sinks(asked, LABELS, "m.tflite", zones=(GATE,), zone=GATE)
    sink.take(replace(seen("dog"), zone=GATE))
    sink.close()
    assert (tmp_path / "called").read_text("utf-8") == "yard/gate\n"
    assert json.loads(as_json(replace(seen("dog"), zone=GATE), 3))["zone"] == "gate"
    assert "zone" not in json.loads(as_json(seen("dog"), 3))
    assert "camera" not in json.loads(as_json(SourceState("lost", 0.0), 3))
