"""Each writer on a full or read-only disk: one clear line, the old result kept, no leftover files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeclf import Run
from edgeclf_runtime.sinks.snapshots.name import own_snapshots
from edgeclf_runtime.sinks.snapshots.sink import SnapshotSink
from tests.faults.killing import EDGECLF
from tests.runtime.observations import seen
from tests.videos import write_video

Small = Callable[[int], Path]
FULL, READ_ONLY = "No space left", "Read-only file system"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Small]:
    """Return a function that mounts a disk of this many KiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    mounted: list[Path] = []

    def mount(size: int) -> Path:
        place = tmp_path / f"disk-{len(mounted)}"
        place.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}k", "none", place], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", place], check=True)


def _read_only(place: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", place], check=True)


def _fill(place: Path, free: int) -> None:
    """Fill the disk until this many KiB are left."""
    room = os.statvfs(place)
    (place / "filler").write_bytes(bytes(max(0, room.f_bavail * room.f_frsize - (free << 10))))


def _edgeclf(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*EDGECLF, *map(str, words)], capture_output=True, text=True, check=False)


def _one_line(done: subprocess.CompletedProcess[str], reason: str, place: Path) -> None:
    """Check that the process failed with one line that names the path and the reason."""
    assert done.returncode != 0, done.stderr
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert reason in line, done.stderr
    assert str(place) in line, done.stderr


def _left(place: Path) -> set[str]:
    return {path.name for path in place.rglob("*")} - {"filler"}


@pytest.mark.parametrize("size", [4, 40, 400, 2000, 12000])
def test_a_training_says_that_the_disk_is_full(disk: Small, digits: Path, size: int) -> None:
    place = disk(size)
    done = _edgeclf("train", digits, "--out", place / "run", "--size", 64, "--train-size", 64, "--epochs", 1)
    _one_line(done, FULL, place)
    for file in (place / "run").glob("*.json"):
        json.loads(file.read_text("utf-8"))


def test_a_training_into_a_folder_that_may_only_be_read(disk: Small, digits: Path) -> None:
    place = disk(4000)
    _read_only(place)
    _one_line(_edgeclf("train", digits, "--out", place / "run"), READ_ONLY, place)


@pytest.mark.parametrize("free", [0, 100, 1000, 4000])
@pytest.mark.parametrize("kind", ["--int8", "--float32"])
def test_an_export_keeps_the_old_file(disk: Small, run: Run, model: Path, kind: str, free: int) -> None:
    place = disk(40000)
    shutil.copyfile(model, place / "model.tflite")
    _fill(place, free)
    words = ["export", run.path, kind, "--output", place / "model.tflite"]
    cheap = ["--method", "ptq", "--max-drop", 100] if kind == "--int8" else []
    _one_line(_edgeclf(*words, *cheap), FULL, place)
    assert (place / "model.tflite").read_bytes() == model.read_bytes()
    assert _left(place) == {"model.tflite"}


def test_an_export_into_a_folder_that_may_only_be_read(disk: Small, run: Run, model: Path) -> None:
    place = disk(40000)
    shutil.copyfile(model, place / "model.tflite")
    _read_only(place)
    _one_line(_edgeclf("export", run.path, "--float32", "--output", place / "model.tflite"), READ_ONLY, place)
    assert (place / "model.tflite").read_bytes() == model.read_bytes()


@pytest.mark.parametrize("free", [0, 100, 1000, 4000])
def test_a_teaching_keeps_the_old_file(disk: Small, digits: Path, model: Path, tmp_path: Path, free: int) -> None:
    place = disk(16000)
    shutil.copy(model, place / "taught.tflite")
    _fill(place, free)
    _one_line(_edgeclf("teach", model, digits, "-o", place / "taught.tflite"), FULL, place)
    assert (place / "taught.tflite").read_bytes() == model.read_bytes()
    assert sorted(path.name for path in place.iterdir()) == ["filler", "taught.tflite"]


@pytest.mark.parametrize("size", [4, 30, 60])
def test_shards(disk: Small, digits: Path, size: int) -> None:
    place = disk(size)
    _one_line(_edgeclf("data", "shard", digits, place / "shards", "--per-shard", 10), FULL, place)
    assert _left(place) == set()
    _read_only(place)
    _one_line(_edgeclf("data", "shard", digits, place / "shards"), READ_ONLY, place)


@pytest.mark.parametrize("size", [4, 100, 800])
def test_pages(disk: Small, digits: Path, run: Run, size: int) -> None:
    place = disk(size)
    _one_line(_edgeclf("data", "check", digits, "--out", place / "check"), FULL, place)
    shutil.rmtree(place / "check", ignore_errors=True)
    own = disk(2 * sum(file.stat().st_size for file in run.path.iterdir()) >> 10)
    shutil.copytree(run.path, own / "run")
    old = (own / "run/report.html").read_bytes()
    _fill(own, size // 100)
    _one_line(_edgeclf("report", own / "run"), FULL, own)
    assert (own / "run/report.html").read_bytes() == old
    assert not [name for name in _left(own) if name.endswith(".part")]
    _read_only(own)
    _one_line(_edgeclf("report", own / "run"), READ_ONLY, own)


def test_a_running_classifier_goes_on_and_writes_again_when_there_is_room(
    disk: Small, model: Path, tmp_path: Path
) -> None:
    place, config = disk(600), tmp_path / "run.toml"
    config.write_text(
        f'[sinks]\njsonl = "{place}/seen.jsonl"\ncsv = "{place}/seen.csv"\nrotate = 20000\nkeep = 2\n'
        f'snapshots = "{place}/kept"\nsnapshot_labels = ["*"]\nsnapshot_every = 0.0\n'
        f'video = "{place}/videos"\nvideo_bytes = 200000\n',
        "utf-8",
    )
    _fill(place, 60)
    video = tmp_path / "video.avi"
    write_video(video, 25, np.random.default_rng(0).integers(0, 256, (600, 120, 160, 3), np.uint8))
    words = ["run", model, "--source", video, "--realtime", "--config", config, "--json"]
    with (tmp_path / "said").open("w") as said, (tmp_path / "shown").open("w") as shown:
        process = subprocess.Popen([*EDGECLF, *map(str, words)], stdout=shown, stderr=said)
    time.sleep(8)
    assert process.poll() is None
    (place / "filler").unlink()
    room = {file: file.stat().st_size for file in place.glob("seen.*")}
    assert process.wait(60) == 0
    text = (tmp_path / "said").read_text("utf-8")
    assert "Traceback" not in text
    complaints = [line for line in text.splitlines() if FULL in line]
    assert 1 <= len(complaints) <= 16, text  # four writers; not one for each of some hundred frames
    assert len((tmp_path / "shown").read_text("utf-8").splitlines()) > 500
    grown = {file: file.stat().st_size for file in place.glob("seen.*")}
    assert grown != room
    for file in place.glob("seen.jsonl*"):
        for line in file.read_text("utf-8").splitlines():
            json.loads(line)
    assert all(cv2.imread(str(file)) is not None for file in place.rglob("*.jpg"))
    videos = list((place / "videos").iterdir())
    assert videos
    assert all(cv2.VideoCapture(str(video)).read()[0] for video in videos)
    assert not list(place.rglob(".*"))


def test_snapshots_leave_free_what_they_are_told_to(disk: Small) -> None:
    place = disk(1000)
    sink = SnapshotSink(place / "kept", every=0, free_bytes=300_000)
    lowest, counts = 1 << 60, []
    for number in range(400):
        if number == 200:
            _fill(place, 200)  # by another program, below the reserve
        sink.take(seen("cat", 0.5, number=number))
        lowest = min(lowest, shutil.disk_usage(place).free) if number < 200 else lowest
        counts.append(len(list(own_snapshots(place / "kept"))))
    assert 300_000 <= lowest < 320_000
    assert 50 < counts[199] == max(counts)
    newest = {snapshot.number for snapshot, _ in own_snapshots(place / "kept")}
    assert counts[-1] >= 0.9 * counts[199]  # they replace others; none is deleted for the other program
    assert max(newest) == 400
    assert shutil.disk_usage(place).free >= 180_000
