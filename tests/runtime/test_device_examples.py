"""The examples for a device, with a video instead of their camera."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
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
    config = tmp_path / "doorway.toml"  # "person" is a 1
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


def _adapted(example: str, folder: Path, replaced: dict[str, str]) -> Path:
    """Write an example with texts replaced, each of which must occur."""
    text = (EXAMPLES / example).read_text("utf-8")
    for old, new in replaced.items():
        assert old in text, old
        text = text.replace(old, new)
    (folder / example).write_text(text, "utf-8")
    return folder / example


def test_gate_with_home_assistant(broker: Broker, hook: Webhook, sure_model: Path, video: Path, tmp_path: Path) -> None:
    """A 1 is "closed", and a 2 "open" to the network."""
    replaced = {
        "rtsp://192.168.0.20/stream1": video.name,
        '"open"': '"2"',
        '"closed"': '"1"',
        "http://homeassistant.local:8123/api/webhook/gate-was-opened": hook.address,
        "mqtt://USER:PASSWORD@homeassistant.local": f"mqtt://127.0.0.1:{broker.port}",
        "hold = 1.0": "hold = 0.1",
        "threshold = 0.7": "threshold = 0",
        "region = [0.25, 0.1, 0.5, 0.8]": "region = [0, 0, 1, 0.99]",
    }
    config = _adapted("gate_home_assistant.toml", tmp_path, replaced)
    listener = Listener(broker.port)
    command = [sys.executable, "-m", "edgeclf_runtime", "run", str(sure_model), "--config", config.name]
    done = subprocess.run(
        [*command, "--max-fps", "0", "--motion", "0", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    changes = [(line["previous"], line["answer"]) for line in lines if line["changed"]]
    assert changes == [(None, "1"), ("1", "2")]
    assert [(body["previous"], body["answer"], body["counts"]["2"]) for _, body in hook.calls] == [("1", "2", 1)]
    assert hook.pictures[0] is not None
    assert cv2.imdecode(np.frombuffer(hook.pictures[0], np.uint8), 1).shape == (63, 64, 3)
    parts = json.loads(listener.wait("homeassistant/device/gate-gate/config", bool))
    assert parts["dev"]["name"] == "Gate yard"
    assert {"answer", "score", "paused", "threshold", "camera_state"} <= set(parts["cmps"])
    state = json.loads(listener.wait("edgeclf/gate/yard/gate/state", lambda payload: b'"2"' in payload))
    assert state["counts"] == {"1": 1, "2": 1}
    listener.close()


def test_sorter_with_gpio(sure_model: Path, video: Path, tmp_path: Path) -> None:
    """A 2 is "scratched"; gpiozero's mock pins record what happened to them."""
    pytest.importorskip("gpiozero")
    replaced = {"csi": video.name, "=scratched": "=2", "reload = true": "reload = false"}
    replaced |= {"threshold = 0.8": "threshold = 0", "metrics = 9100": "metrics = 0"}
    replaced |= {"region = [0.3, 0.0, 0.4, 1.0]": "region = [0, 0, 1, 0.99]"}
    config = _adapted("gpio_sorter.toml", tmp_path, replaced)
    (tmp_path / "main.py").write_text(
        "import json, sys\n"
        "from gpiozero import Device\n"
        "from gpiozero.pins.mock import MockFactory\n"
        "from edgeclf_runtime.cli import cli\n"
        "Device.pin_factory = factory = MockFactory()\n"
        "pins = [factory.pin(number) for number in (17, 27)]\n"
        "cli(sys.argv[1:], standalone_mode=False)\n"
        "json.dump([[bool(state.state) for state in pin.states] for pin in pins], open('pins.json', 'w'))\n",
        "utf-8",
    )
    command = [sys.executable, "main.py", "run", str(sure_model), "--config", config.name, "--realtime"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    valve, other = json.loads((tmp_path / "pins.json").read_text("utf-8"))
    with (tmp_path / "parts.csv").open(encoding="utf-8") as file:
        changes = [row["answer"] for row in csv.DictReader(file) if row["changed"] == "1"]
    assert valve.count(True) == changes.count("2") >= 1
    assert other.count(True) == changes.count("unknown")
    assert not valve[-1]
