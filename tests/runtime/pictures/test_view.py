"""What a network sees of a camera's images: as the model file says, unless configured; files as they are."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgeclf_runtime import Classifier, Frame, ModelCard, ModelError, Prediction, Preprocessing, open_source, read_image
from edgeclf_runtime.pictures.images import decode_image
from edgeclf_runtime.pictures.view import GivenView, View
from edgeclf_runtime.pipeline.pipeline import Pipeline
from edgeclf_runtime.sinks import Observation
from edgeclf_runtime.sinks.sink import Item, ModelState
from tests.model_files import variant
from tests.runtime.still_camera import StillCamera
from tests.videos import write_video

COMMAND = [sys.executable, "-m", "edgeclf_runtime"]
VIEW = View((0.5, 0.25, 0.25, 0.5), 180, "horizontal")
REGION = "0.5,0.25,0.25,0.5"
CARD = ModelCard("digits", ("a", "b"), Preprocessing(8, 8))


def _with_view(model: Path, path: Path, view: View) -> Path:
    """The model file with a view in its card."""

    def changed(text: str) -> str:
        return replace(ModelCard.from_json(text, ("0", "1", "2")), view=view).to_json()

    return variant(model, path, card=changed)


@pytest.fixture
def seeing(model: Path, tmp_path: Path) -> Path:
    return _with_view(model, tmp_path / "seeing.tflite", VIEW)


@pytest.fixture
def digit(digits: Path) -> Path:
    return sorted((digits / "2").glob("*.png"))[0]


@pytest.fixture
def whole(digit: Path) -> np.ndarray:
    """The camera's image, uint8 RGB: the digit is in the region once the image is rotated and mirrored."""
    pixels = read_image(digit)
    height, width = pixels.shape[:2]
    image = np.random.default_rng(0).integers(0, 255, (2 * height, 4 * width, 3), np.uint8)
    image[height // 2 : height // 2 + height, 2 * width : 3 * width] = pixels
    return np.ascontiguousarray(cv2.rotate(cv2.flip(image, 1), cv2.ROTATE_180))


@pytest.fixture
def camera(whole: np.ndarray) -> Iterator[StillCamera]:
    """A camera that gives PNGs, so that no pixel changes."""
    content = cv2.imencode(".png", whole[:, :, ::-1])[1].tobytes()
    camera = StillCamera(kind="image/png", image=lambda number: content)
    yield camera
    camera.close()


def _ran(*words: object) -> tuple[list[dict[str, Any]], str]:
    done = subprocess.run([*COMMAND, *map(str, words), "--json"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [row for line in done.stdout.splitlines() if "label" in (row := json.loads(line))], done.stderr


def _by_label(prediction: Prediction) -> dict[str, float]:
    return {label: float(score) for label, score in prediction.ranked}


def _scores(model: Path, pixels: np.ndarray) -> dict[str, float]:
    with Classifier.load(model) as classifier:
        return _by_label(classifier.classify(pixels))


def _same(row: dict[str, Any], expected: dict[str, float]) -> bool:
    return bool({item["label"]: item["score"] for item in row["scores"]} == pytest.approx(expected, abs=1e-5))


@pytest.fixture
def as_trained(model: Path, digit: Path) -> dict[str, float]:
    return _scores(model, read_image(digit))


@pytest.fixture
def as_whole(model: Path, whole: np.ndarray) -> dict[str, float]:
    return _scores(model, whole)


def test_a_card_with_a_view_has_another_format_and_others_are_what_they_were() -> None:
    plain = json.loads(CARD.to_json())
    assert plain["format"] == 1
    assert set(plain) == {"format", "name", "preprocessing", "label_ids", "accuracy", "threshold", "provenance"}
    card = replace(CARD, view=VIEW)
    content = json.loads(card.to_json())
    assert content["format"] == 2
    assert (content["region"], content["rotate"], content["flip"]) == ([0.5, 0.25, 0.25, 0.5], 180, "horizontal")
    assert ModelCard.from_json(card.to_json(), CARD.labels) == card
    assert ModelCard.from_json(CARD.to_json(), CARD.labels) == CARD


@pytest.mark.parametrize(
    "wrong",
    [
        {"region": [0.5, 0, 0.6, 1]},
        {"region": [0, float("nan"), 1, 1]},
        {"region": [0, 0, 1]},
        {"region": "all"},
        {"rotate": 45},
        {"rotate": True},
        {"flip": ["horizontal"]},
        {"format": 3},
    ],
)
def test_a_strangers_view_is_refused(wrong: dict[str, object]) -> None:
    content = {**json.loads(replace(CARD, view=VIEW).to_json()), **wrong}
    with pytest.raises(ModelError, match=r"card|expected"):
        ModelCard.from_json(json.dumps(content), CARD.labels)


def test_a_camera_is_seen_as_the_model_file_says(
    seeing: Path, camera: StillCamera, as_trained: dict[str, float], as_whole: dict[str, float], tmp_path: Path
) -> None:
    source = ("--source", f"http://127.0.0.1:{camera.port}/", "--fps", "50", "--max-frames", "2")
    rows, said = _ran("run", seeing, *source)
    assert len(rows) == 2
    assert all(_same(row, as_trained) for row in rows)
    assert f"of each image: region {REGION}, rotate 180, flip horizontal, as the model file says." in said
    assert as_trained != as_whole
    with Classifier.load(seeing) as classifier:
        prediction = next(iter(classifier.stream(f"http://127.0.0.1:{camera.port}/")))
    assert _by_label(prediction) == as_trained


def test_what_is_configured_beats_the_model_file(
    seeing: Path, model: Path, camera: StillCamera, as_trained: dict[str, float], as_whole: dict[str, float]
) -> None:
    source = ("--source", f"http://127.0.0.1:{camera.port}/", "--fps", "50", "--max-frames", "1")
    ((row,), said) = _ran("run", seeing, *source, "--region", "0,0,1,1", "--rotate", "0", "--flip", "none")
    assert _same(row, as_whole)
    assert f"the whole image, as configured in place of the model file's region {REGION}, rotate 180" in said
    ((row,), said) = _ran("run", model, *source, "--region", REGION, "--rotate", "180", "--flip", "horizontal")
    assert _same(row, as_trained)
    assert said.rstrip().endswith(f"region {REGION}, rotate 180, flip horizontal, as configured.")


def test_one_key_of_the_configuration_leaves_the_others_to_the_model_file(
    model: Path, camera: StillCamera, as_trained: dict[str, float], tmp_path: Path
) -> None:
    seeing = _with_view(model, tmp_path / "seeing.tflite", View((0, 0, 0.5, 1), 180))
    config = tmp_path / "run.toml"
    config.write_text(
        f'source = "http://127.0.0.1:{camera.port}/"\n[camera]\nflip = "horizontal"\n[gate]\nregion = [{REGION}]\n'
    )
    ((row,), said) = _ran("run", seeing, "--config", config, "--max-frames", "1")
    assert _same(row, as_trained)
    assert "flip horizontal, as the model file and the configuration say in place of the model file's" in said


def test_videos_are_seen_so_too_and_files_as_they_are(
    seeing: Path, model: Path, whole: np.ndarray, digit: Path, as_trained: dict[str, float], tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "whole.png"), whole[:, :, ::-1])
    write_video(tmp_path / "video.avi", 10, [whole[:, :, ::-1]])
    with Classifier.load(model) as classifier, open_source(tmp_path / "video.avi") as video:
        # Rotated by 180 degrees, it is still decoded for the input.
        decoded = decode_image(
            next(iter(video)).jpeg or b"", "video", min_size=classifier.card.preprocessing.min_decoded_size
        )
        in_video = _by_label(classifier.classify(VIEW.see(decoded)))
    for words, expected in (
        (("run", seeing, "--source", tmp_path / "video.avi"), in_video),
        (("run", seeing, "--source", tmp_path / "in", "--watch", "--max-frames", "1"), as_trained),
        (("run", seeing, "--source", tmp_path / "in"), _scores(model, whole)),
        (("classify", seeing, tmp_path / "in" / "whole.png"), _scores(model, whole)),
        (("classify", seeing, tmp_path / "in", "--whole"), as_trained),
        (("classify", seeing, digit), as_trained),
    ):
        rows, said = _ran(*words)
        assert rows, words
        assert all(_same(row, expected) for row in rows), words
        assert ("classified as they are" in said) == (
            "--watch" not in words and tmp_path / "in" in words and "run" in words
        )
    done = subprocess.run([*COMMAND, "classify", model, digit, "--whole"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "has no region, rotate or flip" in done.stderr


def test_inspect_shows_it(seeing: Path) -> None:
    done = subprocess.run([*COMMAND, "inspect", str(seeing)], capture_output=True, text=True, timeout=60)
    assert f"region {REGION}, rotate 180, flip horizontal" in done.stdout
    done = subprocess.run([*COMMAND, "inspect", str(seeing), "--json"], capture_output=True, text=True, timeout=60)
    content = json.loads(done.stdout)
    assert (content["region"], content["rotate"], content["flip"]) == ([0.5, 0.25, 0.25, 0.5], 180, "horizontal")


class _Seen:
    """Keeps what is seen, and does something after the first frame."""

    name, pictures = "seen", True

    def __init__(self, after_first: Callable[[], None]) -> None:
        self.items: list[Observation] = []
        self._after_first, self.adopted = after_first, threading.Event()

    def take(self, item: Item) -> None:
        if isinstance(item, ModelState):
            self.adopted.set()
        if isinstance(item, Observation):
            self.items.append(item)
            if len(self.items) == 1:
                self._after_first()

    def close(self) -> None:
        """Do nothing."""


class _Counted(GivenView):
    asked = 0

    def over(self, card: View, camera: bool) -> View:
        type(self).asked += 1
        return super().over(card, camera)


def test_a_model_that_takes_over_brings_its_own(
    model: Path, whole: np.ndarray, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Sinks get the whole image, rotated, and know which part was seen."""
    other = _with_view(model, tmp_path / "other.tflite", View((0, 0, 0.5, 1), 90))
    write_video(tmp_path / "video.avi", 10, [whole[:, :, ::-1]] * 40)
    with Classifier.load(model) as classifier:
        sink = _Seen(lambda: pipeline.offer(Classifier.load(other)))
        pipeline = Pipeline(classifier, [sink], lossless=True, view=_Counted())
        pipeline.run(open_source(tmp_path / "video.avi"))
    assert "the network now sees of each image: region 0,0,0.5,1, rotate 90." in caplog.text
    assert len(sink.items) == 40
    assert _Counted.asked <= 4  # for each model, not for each frame
    first, last = (item.prediction.frame for item in (sink.items[0], sink.items[-1]))
    assert isinstance(first, Frame)
    assert isinstance(last, Frame)
    height, width = whole.shape[:2]
    assert (first.whole().shape, first.seen().shape) == (whole.shape, whole.shape)
    assert last.whole().shape[:2] == (width, height)
    assert last.seen().shape[:2] == (width, height // 2)


def test_capture_keeps_what_the_network_will_see(
    seeing: Path, camera: StillCamera, digit: Path, tmp_path: Path
) -> None:
    source = ["--source", f"http://127.0.0.1:{camera.port}/", "--fps", "50"]
    clock = ["--every", "0.05", "--label", "two", "--count", "1"]
    view = ["--region", REGION, "--rotate", "180", "--flip", "horizontal"]
    words = [*COMMAND, "capture", "kept", *source, *clock, *view]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    kept, wanted = read_image(next((tmp_path / "kept" / "two").iterdir())), read_image(digit)
    assert kept.shape == wanted.shape
    assert np.abs(kept.astype(int) - wanted).mean() < 3  # after JPEG compression
    assert f"edgeclf train kept --region {REGION} --rotate 180 --camera-flip horizontal" in done.stdout
