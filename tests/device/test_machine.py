"""The complete emulated Raspberry Pi: our wheel with the kernel's own camera, whose faults are triggered; minutes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.device.machine import boot, initramfs, kernel
from tests.device.userland import ARM64, EXTRAS, ROOT, install, userland

HERE = Path(__file__).parent
NOTICED = {
    "unplugged": 2.0,
    "fatal error": 2.0,
    "silent": 4.0,
    "frozen": 5.0,
}  # seconds; --config sets frozen_after = 3
SLACK = 3.0  # seconds, for a busy machine
ROUNDS = 3

Events = list[dict[str, Any]]

pytestmark = pytest.mark.needs("machine")


@pytest.fixture(scope="module")
def events(wheel: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Events:
    """All events of the scenario."""
    folder = tmp_path_factory.mktemp("machine")
    root, unpacked = userland(ARM64), kernel()
    site = install(ARM64, root, "site", f"{wheel}{EXTRAS}", "-c", str(ROOT / "constraints.txt"))
    shutil.copy(model, folder / "digits.tflite")
    extra = [HERE / "scenario.py", HERE / "controls.py", folder / "digits.tflite"]
    initramfs(unpacked, root, site, extra, folder / "initramfs.cpio")
    console = boot(unpacked, folder / "initramfs.cpio", 900)
    (folder / "initramfs.cpio").unlink()
    said = [json.loads(line[2:]) for line in console.splitlines() if line.startswith("@@")]
    assert said, console
    assert said[-1]["what"] == "done", said[-1]
    return said


def _only(events: Events, what: str) -> dict[str, Any]:
    return next(event for event in events if event["what"] == what)


def test_doctor_finds_the_camera_and_no_problem(events: Events) -> None:
    assert _only(events, "machine")["name"] == "aarch64"
    doctor = _only(events, "doctor")
    assert doctor["status"] == 0, doctor
    found = {item["what"]: item for item in json.loads(doctor["out"])}
    assert found["camera"]["text"].startswith("/dev/video0 vivid")
    assert found["interpreter"]["state"] == found["opencv"]["state"] == "ok"


def test_the_model_gives_the_scores_of_the_desktop(events: Events) -> None:
    verify = _only(events, "verify")
    assert verify["status"] == 0, verify
    assert "as exported" in verify["out"]


def test_it_says_what_was_asked_and_what_was_granted(events: Events) -> None:
    assert "source /dev/video0 640x360 YUYV 30 fps\n" in _only(events, "as asked")["error"]
    other = _only(events, "not as asked")["error"]
    assert "(asked for 700x500, MJPG, 77 fps)" in other
    assert "source /dev/video0 640x480" in other


@pytest.mark.parametrize("name", NOTICED)
def test_a_fault_is_noticed_and_the_camera_comes_back(events: Events, name: str) -> None:
    faults = [event for event in events if event["what"] == "fault" and event["name"] == name]
    assert len(faults) == ROUNDS
    for fault in faults:
        assert 0 <= fault["noticed"] < NOTICED[name] + SLACK, fault
        assert fault["back"] >= 0, fault
        assert fault["states"][-1] == "running", fault
        print(f"\n{name}: noticed after {fault['noticed']} s, back {fault['back']} s after its end: {fault['states']}")


def test_no_frame_was_invented(events: Events) -> None:
    frames = [line for line in _only(events, "seen")["lines"] if "frame" in line]
    numbers = [frame["frame"] for frame in frames]
    assert len(numbers) > 100
    assert numbers == sorted(set(numbers))
    for fault in (event for event in events if event["what"] == "fault"):
        begun, end = fault["gap"]
        assert not [frame for frame in frames if begun < frame["time"] < end], fault


def test_damaged_buffers_are_no_reason_to_open_it_again(events: Events) -> None:
    damaged = _only(events, "damaged")
    assert damaged["back"] >= 0
    assert damaged["states"] == []


def test_it_ends_in_order(events: Events) -> None:
    ended = _only(events, "ended")
    assert ended["status"] == 0
    assert ended["seconds"] < 2 + SLACK
    assert "WARN" not in ended["error"]
    assert _only(events, "seen")["lines"][-1]["state"] == "closed"
    assert "source /dev/v4l/by-id/usb-vivid-video-index0 640x360 YUYV" in ended["error"]


def test_its_page_shows_what_the_camera_sees(events: Events) -> None:
    ended, page = _only(events, "page ended"), _only(events, "page")
    assert ended["status"] == 0, ended
    assert page["html"].lower().startswith("<!doctype html>")
    size, begin = page["picture"]
    assert size > 1000
    assert begin == "ffd8"
    before, after = page["states"]
    assert before["source"]["state"] == after["source"]["state"] == "running"
    assert after["frames"] > before["frames"]
    samples = [one for family in text_string_to_metric_families(page["metrics"]) for one in family.samples]
    assert sum(one.value for one in samples if one.name == "edgeclf_frames_total") > 3  # summed over all labels


def test_it_collects_photographs(events: Events) -> None:
    assert _only(events, "capture")["status"] == 0, _only(events, "capture")
    assert _only(events, "photographs")["kinds"] == ["ffd8"] * 3
