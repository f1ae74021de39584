"""Cameras mounted upside down, CSI cameras with autofocus, videos of unknown codecs, and unwanted output."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeclf_runtime import UsageError, open_source
from edgeclf_runtime.sources import SourceOptions
from edgeclf_runtime.sources.pipe import open_pipe
from tests.videos import write_video

COMMAND = [sys.executable, "-m", "edgeclf_runtime"]
FAKE = """
import numpy as np, time
class Picamera2:
    camera_controls = CONTROLS
    def __init__(self, number): self.asked = {}
    def create_video_configuration(self, main, controls): return {"main": main}
    def configure(self, config): self.config = config
    def set_controls(self, controls): self.asked.update(controls)
    def camera_configuration(self): return self.config
    def start(self): print("started with", self.asked, flush=True)
    def capture_array(self, name, wait=True): return name
    def wait(self, job, timeout):
        time.sleep(0.02)
        width, height = self.config["main"]["size"]
        return np.random.default_rng().integers(0, 255, (height, width, 3), np.uint8)
    def stop(self): pass
    def close(self): pass
"""


def _corner() -> np.ndarray:
    """Return an image 48 high and 64 wide, its upper left quarter white."""
    image = np.zeros((48, 64, 3), np.uint8)
    image[:24, :32] = 255
    return image


TURNS = [
    (90, "none", (64, 48), (0, 1)),
    (180, "none", (48, 64), (1, 1)),
    (270, "none", (64, 48), (1, 0)),
    (0, "horizontal", (48, 64), (0, 1)),
    (0, "vertical", (48, 64), (1, 0)),
    (90, "horizontal", (64, 48), (0, 0)),
]


def _white(pixels: np.ndarray) -> tuple[int, int]:
    """Return row and column of the white quarter."""
    height, width = pixels.shape[:2]
    quarters = pixels[:, :, 0].reshape(2, height // 2, 2, width // 2).mean(axis=(1, 3))
    row, column = np.unravel_index(quarters.argmax(), (2, 2))
    return int(row), int(column)


@pytest.mark.parametrize(("rotate", "flip", "shape", "white"), TURNS)
def test_videos_and_streams_are_turned(
    rotate: int, flip: str, shape: tuple[int, int], white: tuple[int, int], tmp_path: Path
) -> None:
    options = SourceOptions(rotate=rotate, flip=flip, min_decoded_size=16)
    write_video(tmp_path / "video.avi", 10, [_corner()] * 2)
    with open_source(tmp_path / "video.avi", options) as video:
        frames = list(video)
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", 0) as file, os.fdopen(writing, "wb", 0) as pipe:
        pipe.write(cv2.imencode(".jpg", _corner())[1].tobytes())
        with open_pipe(file, options) as stream:
            frames.append(next(iter(stream)))
    assert len(frames) == 3
    for frame in frames:
        assert frame.pixels.shape[:2] == shape
        assert _white(frame.pixels) == white
        assert frame.whole().shape == frame.pixels.shape  # what sinks store has the same orientation


def test_other_angles_are_refused() -> None:
    with pytest.raises(UsageError, match="rotate 45: expected 0, 90, 180 or 270"):
        SourceOptions(rotate=45)
    with pytest.raises(UsageError, match='flip \'left\': expected "none", "horizontal"'):
        SourceOptions(flip="left")


def test_capture_keeps_images_upright(tmp_path: Path) -> None:
    write_video(tmp_path / "video.avi", 10, [_corner()] * 4)
    words = ["capture", "kept", "--source", "video.avi", "--every", "0.05", "--label", "a", "--count", "1"]
    done = subprocess.run([*COMMAND, *words, "--rotate", "180"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (kept,) = (tmp_path / "kept" / "a").iterdir()
    assert _white(np.asarray(cv2.imread(str(kept)))) == (1, 1)


@pytest.mark.parametrize(("controls", "asked"), [('{"AfMode": (0, 2, 0)}', "{'AfMode': 2}"), ("{}", "{}")])
def test_a_csi_camera_focuses_and_nothing_else_is_said(controls: str, asked: str, model: Path, tmp_path: Path) -> None:
    """picamera2 runs only on a Raspberry Pi: a module with its interface replaces it."""
    (tmp_path / "picamera2.py").write_text(FAKE.replace("CONTROLS", controls), "utf-8")
    words = ["run", str(model), "--source", "csi", "--max-frames", "2", "--rotate", "180"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr
    assert f"started with {asked}\n" in done.stdout
    assert "XNNPACK" not in done.stderr


def test_a_videos_unknown_codec_is_named_in_one_line(model: Path, tmp_path: Path) -> None:
    write_video(tmp_path / "made.avi", 10, [_corner()] * 3)
    made = (tmp_path / "made.avi").read_bytes()
    for codec, message in ((b"ZZZZ", "cannot decode this video"), (b"CFHD", "without a frame")):
        (tmp_path / "video.avi").write_bytes(made.replace(b"MJPG", codec))
        words = ["run", str(model), "--source", str(tmp_path / "video.avi")]
        done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=60)
        assert done.returncode == 1
        assert f"codec is {codec.decode()}" in done.stderr or f"codec is {codec.decode().lower()}" in done.stderr
        assert message in done.stderr
        assert "ffmpeg -i" in done.stderr
        assert not [line for line in done.stderr.splitlines() if line.startswith("[")], done.stderr
