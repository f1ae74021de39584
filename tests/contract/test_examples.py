"""Every example runs."""

from __future__ import annotations

import functools
import itertools
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def _run(name: str, *words: object) -> list[str]:
    command = [sys.executable, EXAMPLES / name, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_classify_images(model: Path, digits: Path) -> None:
    image = next((digits / "0").iterdir())
    (line,) = _run("classify_images.py", model, image)
    assert line.startswith(str(image))


def test_count_labels(model: Path, digits: Path) -> None:
    lines = _run("count_labels.py", model, digits)
    assert 0 < sum(int(line.split()[0]) for line in lines) <= 60


def test_own_sink(model: Path, digits: Path) -> None:
    *changes, last = _run("own_sink.py", model, digits)
    assert last == "closed"
    answers = [line.split()[1] for line in changes]
    assert answers
    assert all(answer != after for answer, after in itertools.pairwise(answers))


@pytest.mark.parametrize("interrupted", [True, False])
def test_count_labels_of_a_camera_until_ctrl_c_or_its_end(interrupted: bool, model: Path, digits: Path) -> None:
    command = [sys.executable, EXAMPLES / "count_labels.py", model, "-"]
    # A test started from a background job inherits that SIGINT is ignored.
    listens = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    image = cv2.resize(cv2.imread(str(sorted((digits / "1").iterdir())[0])), (900, 900))
    jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    with subprocess.Popen(command, preexec_fn=listens, **pipes) as process:
        assert process.stdin is not None
        for _ in range(max(10, 400_000 // len(jpeg))):  # more than a pipe holds, so that it must have started reading
            process.stdin.write(jpeg)
            process.stdin.flush()
        time.sleep(1)
        if interrupted:
            process.send_signal(signal.SIGINT)
            process.wait(60)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors.decode()
    assert output or interrupted
    assert all(int(line.split()[0]) > 0 for line in output.decode().splitlines())


def test_convert_own_network(tmp_path: Path) -> None:
    lines = _run("convert_own_network.py", tmp_path / "own.tflite")
    assert lines[-1].startswith("float ")
    (written,) = tmp_path.glob("own*.tflite")
    before, after = (float(share) for share in re.findall(r"([\d.]+)%", lines[-1]))
    assert before > 85
    assert after > before - 2
    assert lines[-1].endswith(str(written))


def test_every_example_has_a_test() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == {
        "classify_images.py",
        "convert_own_network.py",
        "count_labels.py",
        "own_sink.py",
    }
