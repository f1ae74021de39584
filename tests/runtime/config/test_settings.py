"""``edgeclf run``: settings file, options and exit."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import cv2
import pytest

from edgeclf_runtime import UsageError
from edgeclf_runtime.config.settings import SinkSettings, read_settings, settings
from edgeclf_runtime.decision.decision import DecisionRule
from edgeclf_runtime.decision.gate import GateRule
from edgeclf_runtime.sources import SourceOptions
from tests.videos import write_video

KEPT = Path(__file__).parents[2] / "kept" / "0.1"
COMMAND = [sys.executable, "-m", "edgeclf_runtime", "run"]


def test_options_go_before_the_file_and_the_file_before_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(
        'source = "rtsp://camera/1"\n[camera]\nreopen = true\nfps = 10\n'
        "[decision]\nthreshold = 0.5\nvotes = 2\nwindow = 3\n"
        '[gate]\nregion = [0, 0, 0.5, 1]\n[sinks]\njsonl = "seen.jsonl"\nsnapshot_labels = ["dog"]\n',
        "utf-8",
    )
    given = {"": {"source": "0"}, "decision": {"threshold": 0.7, "margin": None}, "sinks": {"metrics": 9000}}
    found = settings(read_settings(path), given, str(path))
    assert found.source == "0"
    assert (found.decision.threshold, found.decision.votes) == (0.7, 2)
    assert found.camera.reopen
    assert found.gate.region == (0.0, 0.0, 0.5, 1.0)
    assert (found.sinks.jsonl, found.sinks.snapshot_labels, found.sinks.metrics) == ("seen.jsonl", ("dog",), 9000)


def test_a_port_may_be_a_number() -> None:
    assert settings({"sinks": {"web": 8080}}, {}, "run.toml").sinks.web == "8080"
    with pytest.raises(UsageError, match="web: expected a text, got True"):
        settings({"sinks": {"web": True}}, {}, "run.toml")


def test_labels_that_the_model_has_not_are_refused_with_the_one_that_was_meant(tmp_path: Path) -> None:
    from edgeclf_runtime.errors import SinkError
    from edgeclf_runtime.pipeline.sinks import check_labels

    labels = ("bird", "squirrel")
    check_labels(SinkSettings(on=("bird", "unknown"), snapshot_labels=("*",)), labels)
    with pytest.raises(SinkError) as caught:
        check_labels(SinkSettings(on=("squirel",), snapshot_labels=("Bird", "car")), labels)
    assert str(caught.value) == (
        "Sinks: snapshot_labels: the model has no label 'Bird', did you mean 'bird'?; snapshot_labels: the model has "
        "no label 'car'; its labels: bird, squirrel; on: the model has no label 'squirel', did you mean 'squirrel'?."
    )
    config = tmp_path / "run.toml"
    config.write_text('[sinks]\non = ["cta"]\ncommand = "true"\n', "utf-8")
    words = [*COMMAND, str(KEPT / "model.tflite"), "--config", str(config), "--source", str(KEPT / "photos" / "0")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "on: the model has no label 'cta'" in done.stderr


def test_classify_answers_unknown_as_run_does() -> None:
    image = next((KEPT / "photos" / "0").iterdir())
    words = [sys.executable, "-m", "edgeclf_runtime", "classify", str(KEPT / "model.tflite"), str(image)]
    shown = subprocess.run([*words, "--threshold", "1"], capture_output=True, text=True, check=True).stdout
    assert f"{image}  [unknown]  " in shown
    told = json.loads(subprocess.run([*words, "--json"], capture_output=True, text=True, check=True).stdout)
    assert told["answer"] == told["label"]
    told = json.loads(
        subprocess.run([*words, "--json", "--threshold", "1"], capture_output=True, text=True, check=True).stdout
    )
    assert (told["answer"], told["label"] != "unknown") == ("unknown", True)


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(
        'sorce = "0"\n[camera]\nwidht = 3\nfps = "fast"\nstalled_after = nan\n'
        "[decision]\nthreshold = 7\n[sinks]\nsnapshot_labels = [1]\n",
        "utf-8",
    )
    with pytest.raises(UsageError) as caught:
        settings(read_settings(path), {}, str(path))
    text = str(caught.value)
    assert "sorce: unknown, did you mean source?" in text
    assert "camera.widht: unknown, did you mean width?" in text
    assert "camera.fps: expected a number, got 'fast'" in text
    assert "camera.stalled_after: expected a number, got nan" in text
    assert "threshold 7" in text
    assert "sinks.snapshot_labels: expected a text" in text
    assert "\n" not in text
    path.write_text("[camera", "utf-8")
    with pytest.raises(UsageError, match=r"run\.toml: "):
        read_settings(path)


def test_secrets_do_not_show_themselves() -> None:
    given = {"sinks": {"mqtt": "mqtt://user:secret@host", "webhook_token": "secret", "web_token": "secret"}}
    content = {"source": "rtsp://user:secret@host/1", "sinks": {"webhook": "http://host/?key=secret"}}
    assert "secret" not in repr(settings(content, given, ""))
    with pytest.raises(UsageError) as caught:
        settings({"sinks": {"mqtt": ["mqtt://user:secret@host"], "web_token": ["secret"]}}, {}, "")
    assert "secret" not in str(caught.value)


def test_a_watched_folder_runs_until_it_is_told_to_stop(model: Path, digits: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    image = next((digits / "1").iterdir())
    arguments = [str(model), "--source", str(folder), "--watch", "--json", "--csv", "seen.csv", "--snapshots", "kept"]
    process = subprocess.Popen([*COMMAND, *arguments], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    (folder / "a.png").write_bytes(image.read_bytes())
    first = json.loads(process.stdout.readline())
    assert first["answer"] in ("0", "1", "2", "unknown")
    assert first["source"].endswith("a.png")
    start = time.monotonic()
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=20)
    assert time.monotonic() - start < 6
    assert process.returncode == 0
    assert not rest
    assert len((tmp_path / "seen.csv").read_text("utf-8").splitlines()) == 2


def test_every_frame_of_a_video_reaches_every_sink(model: Path, digits: Path, tmp_path: Path) -> None:
    image = cv2.resize(cv2.imread(str(next((digits / "2").iterdir()))), (64, 64))
    write_video(tmp_path / "video.avi", 10, [image] * 150)
    arguments = [str(model), "--source", "video.avi", "--jsonl", "seen.jsonl", "--video", "out.mp4"]
    done = subprocess.run([*COMMAND, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 1
    assert len((tmp_path / "seen.jsonl").read_text("utf-8").splitlines()) == 150
    (video,) = tmp_path.glob("out-*.mkv")
    assert cv2.VideoCapture(str(video)).get(cv2.CAP_PROP_FRAME_COUNT) == 150


def test_the_example_of_the_reference_is_taken(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs" / "run-toml.md").read_text("utf-8")
    (block,) = re.findall(r"```toml\n(# run\.toml.*?)```", text, re.DOTALL)
    (tmp_path / "run.toml").write_text(block, "utf-8")
    found = settings(read_settings(tmp_path / "run.toml"), {}, "run.toml")
    assert found.camera.reopen
    assert found.gate.region == (0.25, 0.0, 0.5, 1.0)
    assert found.sinks.on == ("bird", "squirrel")


def test_the_reference_has_every_key_with_its_default() -> None:
    text = (Path(__file__).parents[3] / "docs" / "run-toml.md").read_text("utf-8")
    for name, kind in (
        ("camera", SourceOptions),
        ("decision", DecisionRule),
        ("gate", GateRule),
        ("sinks", SinkSettings),
    ):
        rows = text.partition(f"## `[{name}]`")[2].partition("\n## ")[0].splitlines()
        known = {
            key: default.strip()
            for keys, default in (row.split("|")[1:3] for row in rows if row.startswith("| `"))
            for key in re.findall(r"`(\w+)`", keys)
        }
        assert set(known) == {item.name for item in fields(kind)}
        for item in fields(kind):
            said = known[item.name].strip("`")
            if "'s" in said:  # found only at the start
                assert item.default in (None, "")
            else:
                assert json.loads(said) == (list(item.default) if isinstance(item.default, tuple) else item.default)
