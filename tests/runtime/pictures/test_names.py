"""Files whose names are not UTF-8, which abort the process if passed to OpenCV."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeclf_runtime import SourceError, open_source
from tests.videos import write_video

COMMAND = [sys.executable, "-m", "edgeclf_runtime", "run"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    try:
        path.mkdir()
    except OSError:
        pytest.skip("this file system accepts only UTF-8 names")
    return path


@pytest.mark.parametrize("name", [b"video.avi", b"fil\xff.avi"])
def test_a_video_is_read(name: bytes, model: Path, folder: Path, tmp_path: Path) -> None:
    made = tmp_path / "made.avi"
    write_video(made, 10, (np.full((48, 64, 3), level, np.uint8) for level in range(5)))
    video = folder / os.fsdecode(name)
    video.write_bytes(made.read_bytes())
    done = subprocess.run(
        [*COMMAND, str(model), "--source", str(video), "--every-frame"], capture_output=True, timeout=60
    )
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 5), done.stderr
    video.write_bytes(b"no video at all")
    with pytest.raises(SourceError, match="not a video"):
        open_source(video)


@pytest.mark.parametrize("name", ["videos", "out.mp4"])
def test_a_video_is_written(name: str, model: Path, folder: Path, tmp_path: Path) -> None:
    image = folder / "a.png"
    assert cv2.imwrite(str(tmp_path / "a.png"), np.zeros((40, 40, 3), np.uint8))
    image.write_bytes((tmp_path / "a.png").read_bytes())
    words = [str(model), "--source", str(image), "--video", str(folder / name)]
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=60)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    (video,) = folder.rglob("*.mkv")
    assert next(iter(open_source(video))).pixels.shape == (40, 40, 3)
