"""The examples for a device, with a video instead of their camera."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from tests.runtime.mqtt_broker import Broker, Listener
from tests.runtime.webhook import Webhook
from tests.videos import write_video

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def video(digits: Path, tmp_path: Path) -> Path:
    """Twenty frames of a 1, then twenty of a 2, moving a little."""
    path = tmp_path / "video.avi"
    images = [cv2.resize(cv2.imread(str(next((digits / digit).iterdir()))), (64, 64)) for digit in ("1", "2")]
    write_video(path, 30, [cv2.add(image, (number % 4) * 12) for image in images for number in range(20)])
    return path


def _run(model: Path, example: str, video: Path, *more: str) -> list[dict[str, object]]:
    words = [str(model), "--config", str(EXAMPLES / example), "--source", str(video), "--json", *more]
    command = [sys.executable, "-m", "edgeclf_runtime", "run", *words]
    done = subprocess.run(command, cwd=video.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_recycling_sorter(broker: Broker, model: Path, video: Path) -> None:
    listener = Listener(broker.port)
    lines = _run(model, "recycling_sorter.toml", video, "--mqtt", f"mqtt://127.0.0.1:{broker.port}", "--motion", "0")
    last = json.loads(listener.wait("edgeclf/sorter/state", bool))
    listener.wait("edgeclf/sorter/available", lambda payload: payload == b"offline")
    listener.close()
    assert last["answer"] in {"0", "1", "2", "unknown"}
    assert len((video.parent / "sorted.csv").read_text("utf-8").splitlines()) == 1 + len(lines)


def test_bird_feeder(model: Path, video: Path) -> None:
    lines = _run(model, "bird_feeder.toml", video, "--max-fps", "0", "--motion", "0")
    kept = list((video.parent / "visitors").rglob("*.jpg"))
    assert 1 <= len(kept) <= len(lines)
    assert len((video.parent / "visits.jsonl").read_text("utf-8").splitlines()) == len(lines) == 40


def test_doorway(model: Path, video: Path, hook: Webhook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logger = tmp_path / "bin" / "logger"
    logger.parent.mkdir()
    logger.write_text(f'#!/bin/sh\necho "$@" >> "{tmp_path}/logged"\n', "utf-8")
    logger.chmod(0o755)
    monkeypatch.setenv("PATH", f"{logger.parent}:{os.environ['PATH']}")
    config = tmp_path / "doorway.toml"  # its person is a 1
    config.write_text((EXAMPLES / "doorway.toml").read_text("utf-8").replace('"person"', '"1"'), "utf-8")
    words = ("--webhook", hook.address, "--threshold", "0", "--max-fps", "0")
    changes = _changes(_run(model, str(config), video, *words))
    wanted = [answer for answer in changes if answer == "1"]
    assert [body["answer"] for _, body in hook.calls] == wanted
    assert 1 <= len(wanted) < len(changes) <= 4
    logged = [line.split() for line in (tmp_path / "logged").read_text("utf-8").splitlines()]
    assert [words[:3] for words in logged] == [["-t", "doorway", answer] for answer in wanted]
    assert all(0 < float(words[3]) <= 1 for words in logged)


def _changes(lines: list[dict[str, object]]) -> list[object]:
    return [line["answer"] for line in lines if line["changed"]]


def test_car_park(model: Path, video: Path, tmp_path: Path) -> None:
    config = tmp_path / "car_park.toml"
    text = (EXAMPLES / "car_park.toml").read_text("utf-8")
    config.write_text(text.replace("rtsp://192.168.0.20/stream1", video.name), "utf-8")
    command = [sys.executable, "-m", "edgeclf_runtime", "run", str(model), "--config", config.name, "--max-fps", "30"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    with (tmp_path / "bays.csv").open(encoding="utf-8") as file:
        rows = [(row["camera"], row["zone"]) for row in csv.DictReader(file)]
    assert sorted(set(rows)) == [("yard", "bay1"), ("yard", "bay2")]
    assert rows.count(("yard", "bay1")) == rows.count(("yard", "bay2")) > 20
    assert (tmp_path / "bays.jsonl").exists()  # no answer has lasted for two seconds yet
