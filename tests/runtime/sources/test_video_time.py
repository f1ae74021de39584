"""Rates, averages and gaps follow a video's own timestamps, and sources that can wait lose no frames."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from edgeclf_runtime import open_source
from edgeclf_runtime.sources import SourceOptions
from tests.videos import write_video

COMMAND = [sys.executable, "-m", "edgeclf_runtime", "run"]
WEBM = Path(__file__).parents[1] / "files" / "browser.webm"


def _scenes(digits: Path, count: int, frames: int) -> Iterator[npt.NDArray[np.uint8]]:
    """Return one digit after the other, each for a number of frames."""
    images = [cv2.imread(str(next((digits / name).iterdir()))) for name in ("0", "1", "2")]
    for scene in range(count):
        image = cv2.resize(images[scene % 3], (64, 64), interpolation=cv2.INTER_NEAREST)
        for _ in range(frames):
            yield np.asarray(image, np.uint8)


def _rows(folder: Path, *words: str, stdin: bytes | None = None) -> list[dict[str, Any]]:
    done = subprocess.run([*COMMAND, *words, "--json"], cwd=folder, capture_output=True, input=stdin, timeout=120)
    assert done.returncode in (0, 1), done.stderr
    return [row for row in map(json.loads, done.stdout.splitlines()) if "frame" in row]


def test_a_video_is_thinned_and_smoothed_by_its_own_time(model: Path, digits: Path, tmp_path: Path) -> None:
    write_video(tmp_path / "video.avi", 20, _scenes(digits, 10, 80))  # 40 s
    words = [str(model), "--source", "video.avi", "--max-fps", "5", "--threshold", "0"]
    rows = _rows(tmp_path, *words)
    assert 190 <= len(rows) <= 201
    changes = sum(row["changed"] for row in rows)
    assert changes >= 5
    smooth = _rows(tmp_path, *words, "--smoothing", "1")  # scenes of four seconds each can still be distinguished
    assert sum(row["changed"] for row in smooth) == changes
    assert [row["answer"] for row in smooth] == [row["answer"] for row in _rows(tmp_path, *words, "--smoothing", "1")]


def test_a_browsers_recording_is_played_at_its_own_speed() -> None:
    """It has no frame rate: 1000 is stated, the resolution of its clock; its 56 images last 1.8 s."""
    with open_source(WEBM, SourceOptions(realtime=True)) as source:
        start = time.monotonic()
        frames = list(source)
        spent = time.monotonic() - start
    moments = [frame.moment for frame in frames]
    assert moments == sorted(set(moments))
    assert 1.7 < moments[-1] - moments[0] < 1.9
    assert spent >= moments[-1] - moments[0] - 0.05
    with open_source(WEBM) as source:
        assert [frame.number for frame in source] == list(range(56))


def test_a_burst_of_files_is_delayed_and_none_is_lost(model: Path, digits: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    words = [str(model), "--source", str(folder), "--watch", "--max-fps", "20", "--max-frames", "15", "--json"]
    process = subprocess.Popen([*COMMAND, *words], stdout=subprocess.PIPE, text=True)
    content = next((digits / "1").iterdir()).read_bytes()
    for number in range(15):
        (folder / f"{number:02}.png").write_bytes(content)
    text, _ = process.communicate(timeout=60)
    moments = [json.loads(line)["source"][-6:-4] for line in text.splitlines()]
    assert moments == [f"{number:02}" for number in range(15)]


@pytest.mark.parametrize("rate", ["0", "30"])
def test_standard_input_loses_nothing(rate: str, model: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = [cv2.imencode(".jpg", rng.integers(0, 255, (64, 64, 3), np.uint8))[1].tobytes() for _ in range(25)]
    rows = _rows(tmp_path, str(model), "--source", "-", "--max-fps", rate, stdin=b"".join(images))
    assert [row["frame"] for row in rows] == list(range(25))
