"""Where observations go: real files, a real web server, Prometheus's own parser."""

from __future__ import annotations

import csv
import json
import shutil
import stat
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import cv2
import pytest

from edgeclf_runtime.decision.conditions import Conditions
from edgeclf_runtime.errors import SinkError
from edgeclf_runtime.sinks import ModelState
from edgeclf_runtime.sinks.calls import CommandSink
from edgeclf_runtime.sinks.lines import CsvSink, JsonLinesSink, TerminalSink
from edgeclf_runtime.sinks.metrics import Figures, MetricsSink
from edgeclf_runtime.sinks.snapshots.name import own_snapshots
from edgeclf_runtime.sinks.snapshots.sink import SnapshotSink, folder_name
from edgeclf_runtime.sinks.video.sink import VideoSink
from edgeclf_runtime.sinks.webhook import WebhookSink
from edgeclf_runtime.sources import SourceState
from edgeclf_runtime.web.unsorted import Unsorted
from tests.runtime.observations import LABELS, seen
from tests.runtime.webhook import Webhook


def test_json_lines_rotate_and_lose_none(tmp_path: Path) -> None:
    begun = time.time()
    sink = JsonLinesSink(tmp_path / "log" / "seen.jsonl", limit=2000, keep=50)
    for number in range(40):
        sink.take(seen(number=number))
    sink.take(SourceState("lost", 0.0, "pulled out", 2))
    sink.close()
    files = sorted((tmp_path / "log").iterdir(), key=lambda p: -int(p.suffix[1:]) if p.suffix[1:].isdecimal() else 1)
    lines = [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]
    assert [line["frame"] for line in lines[:-1]] == list(range(40))
    assert lines[0]["answer"] == "cat"
    assert lines[0]["time"] == 1_700_000_000.25
    assert list(lines[-1]) == ["time", "state", "reason", "reopened"]
    assert lines[-1] == {"time": lines[-1]["time"], "state": "lost", "reason": "pulled out", "reopened": 2}
    assert begun - 0.001 <= lines[-1]["time"] <= time.time()
    assert len(files) > 3
    assert all(file.stat().st_size <= 2000 for file in files)


def test_old_lines_are_given_up(tmp_path: Path) -> None:
    sink = CsvSink(tmp_path / "seen.csv", limit=1000, keep=2)
    for number in range(200):
        sink.take(seen(number=number))
    sink.close()
    assert {path.name for path in tmp_path.iterdir()} == {"seen.csv", "seen.csv.1", "seen.csv.2"}
    for path in tmp_path.iterdir():
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert rows[0]["answer"] == "cat"
    assert rows


def test_without_older_files_the_newest_stays_bounded_and_a_failed_rotation_heals(tmp_path: Path) -> None:
    sink = JsonLinesSink(tmp_path / "a.jsonl", limit=1000, keep=0)
    for number in range(50):
        sink.take(seen(number=number))
    sink.close()
    assert (tmp_path / "a.jsonl").stat().st_size <= 1000
    sink = JsonLinesSink(tmp_path / "b.jsonl", limit=1000, keep=1)
    (tmp_path / "b.jsonl.1").mkdir()
    (tmp_path / "b.jsonl.1" / "in the way").touch()
    failed = 0
    for number in range(20):
        try:
            sink.take(seen(number=number))
        except OSError:
            failed += 1
    assert failed
    shutil.rmtree(tmp_path / "b.jsonl.1")
    sink.take(seen(number=99))
    sink.close()
    assert json.loads((tmp_path / "b.jsonl").read_text("utf-8").splitlines()[-1])["frame"] == 99


def test_snapshots_are_bounded_and_train_can_read_them(tmp_path: Path) -> None:
    sink = SnapshotSink(tmp_path / "kept", labels=("dog",), uncertain=0.6, every=0, limit=6)
    for number in range(5):
        sink.take(seen("cat", 0.9, number=number))
        sink.take(seen("dog", 0.95, number=number))
        sink.take(seen("dog", 0.55, number=number))
        sink.take(seen("unknown", 0.5, number=number))
    found = [path.relative_to(tmp_path / "kept").parts[0] for path in (tmp_path / "kept").rglob("*.jpg")]
    assert len(found) == 6
    assert set(found) == {"dog", "__unsorted"}
    image = cv2.imread(str(next((tmp_path / "kept" / "dog").iterdir())))
    assert abs(float(image.mean()) - 90) < 2
    again = SnapshotSink(tmp_path / "kept", labels=("*",), every=0, limit=6)
    again.take(seen("cat", 0.9, number=9))
    assert len(list((tmp_path / "kept").rglob("*.jpg"))) == 6


def test_images_of_others_and_sorted_ones_are_never_removed(tmp_path: Path) -> None:
    sink = SnapshotSink(tmp_path, labels=("*",), every=0, limit=100)
    for number in range(3):
        sink.take(seen("unknown", 0.5, number=number))
    (tmp_path / "cat").mkdir()
    sorted_one = next((tmp_path / "__unsorted").iterdir())
    kept = sorted_one.rename(tmp_path / "cat" / sorted_one.name)
    mine = tmp_path / "cat" / "mine.jpg"
    mine.write_bytes(b"my own")
    (tmp_path / "__unsorted" / ".left.jpg.part").write_bytes(b"half")
    sink = SnapshotSink(tmp_path, labels=("*",), every=0, limit=2)
    for number in range(10, 20):
        sink.take(seen("dog", 0.9, number=number))
    assert kept.exists()
    assert mine.exists()
    assert len(list(tmp_path.rglob("*.jpg"))) == 4
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize(
    ("label", "score", "before", "after"),
    [("cat", 0.597, 0.6, 0.6), ("cat", 0.8, 0.9, 0.6), ("unknown", 0.75, 0.6, 0.6)],
    ids=["rounded up to the bound", "bound lowered since", "a class called unknown"],
)
def test_a_sorted_image_stays_whatever_its_score(
    label: str, score: float, before: float, after: float, tmp_path: Path
) -> None:
    SnapshotSink(tmp_path, uncertain=before, every=0).take(seen(label, score))
    unsorted = Unsorted(tmp_path, (*LABELS, "unknown"))  # models of others may have this class
    (image,) = unsorted.listed()["pictures"]
    unsorted.sort(image["name"], label)
    sink = SnapshotSink(tmp_path, labels=("*",), uncertain=after, every=0, limit=1)
    for number in (1, 2, 3):
        sink.take(seen("dog", 0.9, number=number))
    assert (tmp_path / label / image["name"]).exists()
    assert len(list((tmp_path / "dog").iterdir())) == 1


@pytest.mark.parametrize("label", ["../../etc", "a/b", ".", "..", ".hidden", "__x", "", "C:\\x", "größe", "two words"])
def test_no_label_leads_out_of_its_folder(label: str, tmp_path: Path) -> None:
    name = folder_name(label)
    assert (tmp_path / name).resolve().parent == tmp_path.resolve()
    assert not name.startswith((".", "__"))
    (tmp_path / name).mkdir()


@pytest.mark.parametrize("label", ["Käse", "größe", "蓝山雀", "two words", "a-b_c"])
def test_a_label_that_can_be_a_folder_is_that_folder(label: str) -> None:
    assert folder_name(label) == label  # as in the photographs that were trained on


def test_a_label_of_any_length_has_its_folder(tmp_path: Path) -> None:
    sink = SnapshotSink(tmp_path, labels=("*",), every=0)
    labels = ["蓝山雀" * 40, "蓝山雀" * 40 + "二"]
    for number, label in enumerate(labels):
        for score in (0.9, 0.3):
            sink.take(seen(label, score, number=number))
    assert len(list(tmp_path.rglob("*.jpg"))) == 4
    assert len({folder_name(label) for label in labels}) == 2
    assert len(list(own_snapshots(tmp_path))) == 4  # they are recognized


def test_a_command_is_told_of_changes_alone(tmp_path: Path) -> None:
    script = tmp_path / "note; touch it"
    script.write_text(
        f'#!/bin/sh\necho "$EDGECLF_LABEL $EDGECLF_SCORE $1$EDGECLF_REASON" >> "{tmp_path}/log"\n', "utf-8"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    sink = CommandSink(f"'{script}' '$HOME'", labels=("dog",))
    for item in (seen("cat"), seen("dog"), seen("dog", changed=False), SourceState("lost", 0.0)):
        sink.take(item)
    assert (tmp_path / "log").read_text("utf-8") == "dog 0.900000 $HOME\n"
    CommandSink(f"'{script}' ''").take(seen(familiarity=0.01))
    assert (tmp_path / "log").read_text("utf-8").splitlines()[1:] == ["unknown 0.900000 unfamiliar"]
    with pytest.raises(SinkError, match="exit status 3"):
        CommandSink(f"{sys.executable} -c 'raise SystemExit(3)'").take(seen())
    with pytest.raises(SinkError, match="No closing quotation"):
        CommandSink("say 'it")


def test_a_webhook_is_called_again_when_it_fails(hook: Webhook) -> None:
    sink = WebhookSink(hook.address, token="t0ken")
    assert "secret" not in sink.name
    hook.failures = 1
    sink.take(seen("dog"))
    _, (headers, body) = hook.calls
    assert headers["Authorization"] == "Bearer t0ken"
    assert body["answer"] == "dog"
    sink.take(seen("dog", changed=False))
    assert len(hook.calls) == 2
    with pytest.raises(SinkError, match="expected an http or https"):
        WebhookSink("ftp://somewhere")
    with pytest.raises(SinkError, match="use webhook_token") as caught:
        WebhookSink("http://user:s3cret@host/x")
    assert "s3cret" not in str(caught.value)
    with pytest.raises(SinkError, match="cannot be sent"):
        WebhookSink(hook.address, token="t0ken\n")


@pytest.mark.parametrize("end", ["host/my hook?key=s3cret", "host/ü?key=s3cret", "", "host:x/s3cret", "host/\ns3cret"])
def test_an_address_that_cannot_be_called_is_refused_and_not_shown(end: str) -> None:
    with pytest.raises(SinkError, match="Webhook address: expected") as caught:
        WebhookSink(f"http://{end}")
    assert "s3cret" not in str(caught.value)


def test_figures_are_prometheus_figures() -> None:
    from prometheus_client.parser import text_string_to_metric_families

    sink = MetricsSink(0)
    for number in range(3):
        sink.take(seen("dog" if number else "cat", changed=number < 2))
    sink.take(SourceState("lost", 0.0, "pulled out", 4))
    with urllib.request.urlopen(f"http://127.0.0.1:{sink.port}/metrics") as answer:
        text = answer.read().decode()
    sink.close()
    samples = {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["edgeclf_frames_total", ("dog",)] == 2
    assert samples["edgeclf_changes_total", ()] == 2
    assert samples["edgeclf_source_up", ()] == 0
    assert samples["edgeclf_source_reopened", ()] == 4
    assert samples["edgeclf_stage_milliseconds_count", ("invoke",)] == 3


def test_the_figures_of_familiarity_come_and_go_with_the_model() -> None:
    figures = Figures()

    def value(name: str, reason: str | None = None) -> float | None:
        return figures.registry.get_sample_value(name, {"reason": reason} if reason else {})

    figures.take(seen())
    assert b"edgeclf_familiarity" not in figures.text()
    for familiarity in (0.4, 0.01, 0.02):
        figures.take(seen(familiarity=familiarity))
    assert value("edgeclf_familiarity") == 0.02
    assert value("edgeclf_unknown_total", "unfamiliar") == 2
    assert value("edgeclf_frames_total") is None
    assert figures.registry.get_sample_value("edgeclf_frames_total", {"answer": "unknown"}) == 2
    figures.take(seen())
    assert b"edgeclf_familiarity" not in figures.text()
    figures.take(seen(familiarity=0.3))
    assert value("edgeclf_familiarity") == 0.3


def test_expected_accuracy_and_unlike_images_are_exported_once_they_are_known() -> None:
    figures = Figures()
    figures.take(seen(familiarity=0.4, conditions=Conditions(3)))
    assert b"edgeclf_unlike_training 0.0" in figures.text()
    assert b"edgeclf_expected_accuracy" not in figures.text()
    figures.take(seen(familiarity=0.4, conditions=Conditions(40, 0.87, 0.03, is_unlike=True)))
    assert {b"edgeclf_unlike_training 1.0", b"edgeclf_expected_accuracy 0.87"} <= set(figures.text().splitlines())
    figures.take(seen())  # a model without familiarity
    assert not any(name in figures.text() for name in (b"unlike", b"expected", b"familiarity"))


def test_every_sink_takes_the_state_of_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    states = [
        ModelState("adopted", "m.tflite", ("owl",)),
        ModelState("refused", "m.tflite", ("owl",), "m.tflite: cut."),
    ]
    sinks: list[Any] = [
        JsonLinesSink(tmp_path / "a.jsonl"),
        CsvSink(tmp_path / "a.csv"),
        SnapshotSink(tmp_path / "kept"),
    ]
    sinks += [VideoSink(tmp_path / "video.mp4"), CommandSink("false"), TerminalSink(), MetricsSink(0)]
    figures = Figures()
    for sink in [*sinks, figures]:
        for state in states:
            sink.take(state)
    for sink in sinks:
        sink.close()
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text("utf-8").splitlines()]
    assert lines[1].pop("time") == round(states[1].time, 3)
    assert lines[1] == {"model": "refused", "path": "m.tflite", "reason": "m.tflite: cut.", "labels": ["owl"]}
    assert capsys.readouterr().err.splitlines() == ["Model adopted: m.tflite", "Model refused: m.tflite: cut."]
    assert figures.registry.get_sample_value("edgeclf_models_total", {"outcome": "refused"}) == 1
    assert figures.registry.get_sample_value("edgeclf_source_up") == 0
