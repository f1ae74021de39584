"""A short soak: memory stays flat over thousands of frames and several model files (``make soak`` is the long one)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from edgeclf_runtime import Classifier
from tests.videos import write_video

COMMAND = [sys.executable, "-m", "edgeclf_runtime", "run"]
FRAMES, WARM = 4000, 1500


def _anonymous(process: int | str) -> int:
    """Return the process's own memory in KiB."""
    text = Path(f"/proc/{process}/status").read_text("ascii")
    return int(text.split("RssAnon:")[1].split()[0])


@pytest.fixture
def video(digits: Path, tmp_path: Path) -> Path:
    path, rng = tmp_path / "video.avi", np.random.default_rng(0)
    images = [cv2.resize(cv2.imread(str(next((digits / str(digit)).iterdir()))), (96, 64)) for digit in range(3)]
    noisy = (images[number // 50 % 3] + rng.normal(0, 8, (64, 96, 3)) for number in range(FRAMES))
    write_video(path, 30, (_marked(np.clip(image, 0, 255).astype(np.uint8), n) for n, image in enumerate(noisy)))
    return path


def _marked(image: npt.NDArray[np.uint8], number: int) -> npt.NDArray[np.uint8]:
    """Return images with an object at different places, or there would be few snapshots."""
    row, column = divmod(number % 64, 8)
    image[row * 8 : row * 8 + 8, column * 12 : column * 12 + 12] = 255 * (number // 64 % 2)
    return image


@pytest.mark.slow
def test_memory_is_flat_over_frames(model: Path, video: Path) -> None:
    sinks = ["--jsonl", "seen.jsonl", "--snapshots", "kept", "--csv", "seen.csv"]
    (video.parent / "run.toml").write_text(
        '[sinks]\nsnapshot_labels = ["*"]\nsnapshot_every = 0\nsnapshot_limit = 50\n', "utf-8"
    )
    arguments = [str(model), "--source", video.name, "--json", "--config", "run.toml", *sinks]
    samples = []
    with subprocess.Popen([*COMMAND, *arguments], cwd=video.parent, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            number = json.loads(line)["frame"]
            if number >= WARM and number % 50 == 0 and process.poll() is None:
                samples.append((number, _anonymous(process.pid)))
    assert process.returncode == 0
    assert len((video.parent / "seen.csv").read_text("utf-8").splitlines()) == FRAMES + 1
    assert 20 < len(list((video.parent / "kept").rglob("*.jpg"))) <= 50
    numbers, memory = np.array(samples[:-2]).T
    # A frame that is kept has 18 KiB. A leak grows from sample to sample; a heap that is enlarged grows once.
    assert np.median(np.diff(memory) / np.diff(numbers)) < 0.5, samples
    assert memory[-1] - memory[0] < 8_000, samples


def test_memory_is_flat_over_model_files(model: Path) -> None:
    """Forty in turn, as a pipeline adopts them; each needs some megabytes."""
    memory = []
    for _ in range(40):
        with Classifier.load(model) as classifier:
            classifier.warm_up()
        memory.append(_anonymous("self"))
    assert memory[-1] - memory[10] < 15_000, memory
