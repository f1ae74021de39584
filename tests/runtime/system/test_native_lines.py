"""Lines of native libraries on standard error: which are hidden, and that all others are shown."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeclf_runtime.pictures.images import decode_image

EDGECLF = [sys.executable, "-m", "edgeclf_runtime"]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Five JPEGs with bytes before a restart marker, as some cameras write: libjpeg decodes them with a warning."""
    path = tmp_path / "video.mjpeg"
    y, x = np.mgrid[:96, :128]
    for shift in range(5):
        pixels = np.stack([(x + 9 * shift) % 256, 2 * y, x + y], axis=2).astype(np.uint8)
        data = bytes(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_RST_INTERVAL, 8])[1])
        with path.open("ab") as file:
            file.write(data.replace(b"\xff\xd3", 40 * b"\x12" + b"\xff\xd3"))
    return path


def test_libjpeg_warns_of_such_images(video: Path, capfd: pytest.CaptureFixture[str]) -> None:
    first = video.read_bytes().partition(b"\xff\xd9")[0] + b"\xff\xd9"
    assert decode_image(first, "first").shape == (96, 128, 3)
    assert "Corrupt JPEG data: " in capfd.readouterr().err


def test_run_shows_no_warnings_of_libjpeg(video: Path, model: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.sh"
    program.write_text("#!/bin/sh\necho called >&2\n", "utf-8")
    program.chmod(0o755)
    words = ["run", model, "--source", video, "--every-frame", "--command", program]
    done = subprocess.run([*EDGECLF, *map(str, words)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 5
    assert "Corrupt JPEG" not in done.stderr
    assert "; source " in done.stderr
    assert "called\n" in done.stderr  # programs write to the real standard error


def test_capture_shows_no_warnings_of_libjpeg(video: Path, tmp_path: Path) -> None:
    words = [
        "capture",
        "photos",
        "--source",
        video,
        "--every",
        "0.05",
        "--label",
        "cat",
        "--count",
        "1",
        "--flip",
        "horizontal",
    ]
    done = subprocess.run([*EDGECLF, *map(str, words)], capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Corrupt JPEG" not in done.stderr
    assert len(list((tmp_path / "photos" / "cat").iterdir())) == 1


def test_other_lines_pass_the_filter_at_once_and_in_full() -> None:
    code = (
        "import os, sys\nfrom edgeclf_runtime.system.native_lines import filtered_codec_lines\n"
        "with filtered_codec_lines():\n"
        "    os.write(2, b'Corrupt JPEG data: 4 bytes\\n[h264 @ 0x55d0c8] corrupt\\nERROR: of a driver\\n')\n"
        "    print(sys.stdin.readline(), end='', file=sys.stderr)\n"
        "os.write(2, b'Corrupt JPEG data: no longer filtered\\n')\n"
        "print('after it', file=sys.stderr)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        assert process.stderr.readline() == "ERROR: of a driver\n"  # while the block is still running
        process.stdin.write("of Python\n")
        process.stdin.close()
        assert process.stderr.read() == "of Python\nCorrupt JPEG data: no longer filtered\nafter it\n"


def test_other_lines_appear_after_the_delegate_was_created() -> None:
    code = (
        "import os\nfrom edgeclf_runtime.system.native_lines import without_delegate_lines\n"
        "with without_delegate_lines():\n"
        "    os.write(2, b'INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\\nERROR: of the library\\n')\n"
        "    raise ValueError('of Python')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stderr.startswith("ERROR: of the library\nTraceback")
    assert done.stderr.endswith("ValueError: of Python\n")
