"""A JPEG has the same pixels in training, in evaluations and on a device, whatever source it comes from."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgeclf import Quiet, Run, make_config
from edgeclf.config.file import configure
from edgeclf.config.tables import TrainTable
from edgeclf.config.train import preprocessing
from edgeclf.data.fingerprints import Fingerprints
from edgeclf.data.image_cache import decode
from edgeclf.data.sources import read_source
from edgeclf.evaluation.camera_faults import camera_frame
from edgeclf.evaluation.measuring import measure, measure_dataset
from edgeclf.evaluation.under_faults import measure_under_faults
from edgeclf_runtime import Classifier, Frame, open_source, read_image
from edgeclf_runtime.model.card import ModelCard
from edgeclf_runtime.pictures.preprocess import Preprocessing, resize
from edgeclf_runtime.pictures.view import View
from edgeclf_runtime.pipeline.pipeline import Pipeline
from edgeclf_runtime.sinks import ModelState, Observation
from edgeclf_runtime.sinks.jpeg import jpeg_of
from edgeclf_runtime.sources import SourceOptions, SourceState
from edgeclf_runtime.sources.pipe import open_pipe
from tests.model_files import variant
from tests.runtime.still_camera import StillCamera

KEPT = Path(__file__).parents[1] / "kept" / "0.1"
VIEW = View((0.25, 0.1, 0.5, 0.8), 90, "horizontal")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes with one photograph each, one of which has 12 megapixels."""
    folder = tmp_path_factory.mktemp("photographs")
    for label, size in (("0", (4000, 3000)), ("1", (40, 30))):
        (folder / label).mkdir()
        noise = np.random.default_rng(0).integers(0, 255, (300, 400, 3), np.uint8)
        large = cv2.resize(noise, size, interpolation=cv2.INTER_LINEAR)
        cv2.imwrite(str(folder / label / "large.jpg"), large)
    return folder


@pytest.fixture(scope="module")
def photograph(photographs: Path) -> Path:
    return photographs / "0" / "large.jpg"


def _card(text: str, jpeg: str = "reduced", view: View | None = None) -> str:
    card = ModelCard.from_json(text, tuple("0123456789"[: len(json.loads(text)["label_ids"]) or 2]))
    return replace(card, view=view or View(), preprocessing=replace(card.preprocessing, jpeg=jpeg)).to_json()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Model files with an input of 32 pixels: as 0.1 wrote them, with the JPEG rule, and also with a view."""
    folder, old = tmp_path_factory.mktemp("files"), KEPT / "model.tflite"
    return {
        "full": old,
        "reduced": variant(old, folder / "reduced.tflite", card=_card),
        "turned": variant(old, folder / "turned.tflite", card=lambda text: _card(text, view=VIEW)),
    }


def _reduced(photograph: Path) -> np.ndarray:
    """Return the photograph at an eighth, 500x375 pixels, the smallest size that covers 32x32 pixels."""
    return np.asarray(cv2.imread(str(photograph), cv2.IMREAD_REDUCED_COLOR_8))[:, :, ::-1]


class _Kept:
    """A sink that keeps its items."""

    name, pictures = "kept", True

    def __init__(self) -> None:
        self.seen: list[Observation] = []

    def take(self, item: Observation | SourceState | ModelState) -> None:
        if isinstance(item, Observation):
            self.seen.append(item)

    def close(self) -> None:
        pass


@pytest.fixture
def sources(photograph: Path, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Sources that give the photograph's bytes: one of every kind that gives JPEGs."""
    (tmp_path / "video.mjpeg").write_bytes(photograph.read_bytes() * 2)
    (tmp_path / "folder").mkdir()
    shutil.copy(photograph, tmp_path / "folder")
    camera = StillCamera(image=lambda number: photograph.read_bytes())
    file = os.open(photograph, os.O_RDONLY)
    with os.fdopen(file, "rb", 0) as pipe:
        yield {
            "file": lambda: open_source(photograph),
            "folder": lambda: open_source(tmp_path / "folder"),
            "video": lambda: open_source(tmp_path / "video.mjpeg"),
            "fast video": lambda: open_source(tmp_path / "video.mjpeg", SourceOptions(min_decoded_size=700)),
            "HTTP camera": lambda: open_source(f"http://127.0.0.1:{camera.port}/", SourceOptions(fps=50)),
            "standard input": lambda: open_pipe(pipe, SourceOptions()),
        }
    camera.close()


def test_every_source_gives_the_pixels_of_training(
    photographs: Path, photograph: Path, files: dict[str, Path], sources: dict[str, Any], tmp_path: Path
) -> None:
    data, _ = read_source(photographs)
    row = data.files.index("0/large.jpg")
    expected = _reduced(photograph)
    with Classifier.load(files["reduced"]) as classifier:
        rule = classifier.card.preprocessing
        fitted = resize(expected, rule)
        fingerprints = Fingerprints.of(2)
        with decode(data, rule, 8 / 7, tmp_path / "cache", Quiet(), fingerprints)[0] as cache:
            assert np.array_equal(cache.inputs[row], fitted)
            # The larger images for random crops are decoded for the input, too.
            assert np.array_equal(cache.larger[row], resize(expected, replace(rule, width=37, height=37)))
        assert np.array_equal(resize(data.picture("0/large.jpg", rule), rule), fitted)
        wanted = classifier.fit(expected).batch
        scores = classifier.classify(expected).scores
        assert np.array_equal(classifier.fit(str(photograph)).batch, wanted)
        for measured in (
            measure_dataset(classifier, data, Quiet()),
            measure(classifier, [data.path(file) for file in data.files], data.targets.tolist(), Quiet()),
        ):
            assert np.array_equal(measured.scores[row], scores)
        for name, opened in sources.items():
            with opened() as source:
                frame = next(iter(source))
            assert np.array_equal(classifier.fit(frame).batch, wanted), name
        for name in ("file", "folder", "video", "fast video", "HTTP camera"):
            prediction = next(stream := classifier.stream(sources[name]()))
            stream.close()
            assert prediction.frame is not None
            assert np.array_equal(prediction.frame.pixels, expected), name  # decoded once, at no other size
            assert np.array_equal(prediction.scores, scores), name
            assert prediction.frame.whole().shape == (3000, 4000, 3)
        full = classifier.classify(read_image(photograph)).scores  # an array is used unchanged
        assert not np.array_equal(full, scores)


def test_the_commands_use_the_pixels_of_training(photograph: Path, files: dict[str, Path], tmp_path: Path) -> None:
    video = tmp_path / "video.mjpeg"
    video.write_bytes(photograph.read_bytes() * 2)
    with Classifier.load(files["reduced"]) as reduced, Classifier.load(files["full"]) as old:
        expected = {"reduced": reduced.classify(_reduced(photograph)), "full": old.classify(read_image(photograph))}
    for name, prediction in expected.items():
        for words in (["classify", files[name], photograph], ["run", files[name], "--source", video, "--every-frame"]):
            command = [sys.executable, "-m", "edgeclf_runtime", *map(str, words), "--json"]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            row = next(row for row in map(json.loads, done.stdout.splitlines()) if "scores" in row)
            assert row["scores"][0]["score"] == pytest.approx(prediction.score, abs=1e-6), (name, words)


def test_a_rotated_camera_gives_the_pixels_of_training_on_whole_images(
    photograph: Path, photographs: Path, files: dict[str, Path], tmp_path: Path
) -> None:
    video = tmp_path / "video.mjpeg"
    video.write_bytes(photograph.read_bytes() * 2)
    data, _ = read_source(photographs)
    seen = replace(data, view=VIEW).picture("0/large.jpg", Preprocessing(32, 32, jpeg="reduced"))
    assert np.array_equal(seen, VIEW.see(_reduced(photograph)))
    with Classifier.load(files["turned"]) as classifier:
        expected = classifier.classify(seen).scores
        sink = _Kept()
        Pipeline(classifier, [sink], lossless=True).run(open_source(video))
        assert len(sink.seen) == 2
        whole = VIEW.turn(read_image(photograph))
        for item in sink.seen:
            frame = item.prediction.frame
            assert np.array_equal(item.prediction.scores, expected)
            assert frame is not None
            assert frame.pixels.shape == (500, 375, 3)
            assert np.array_equal(frame.whole(), whole)  # snapshots and videos keep their resolution
            assert np.array_equal(frame.seen(), VIEW.cut(whole))
        assert cv2.imdecode(np.frombuffer(jpeg_of(sink.seen[0]) or b"", np.uint8), 1).shape == (4000, 3000, 3)
        turned = open_source(video, SourceOptions(rotate=90, flip="horizontal"))  # by the source, for users of the API
        stream = classifier.stream(turned)
        assert np.array_equal(next(stream).scores, expected)
        stream.close()


def test_a_new_model_file_brings_its_own_jpeg_rule(photograph: Path, files: dict[str, Path], tmp_path: Path) -> None:
    frame = next(iter(open_source(photograph)))
    with Classifier.load(files["reduced"]) as reduced, Classifier.load(files["full"]) as old:
        source = open_source(photograph)
        source.decode_for(reduced.card.preprocessing.min_decoded_size)
        small = next(iter(source))
        assert small.pixels.shape == (375, 500, 3)
        for given in (frame, small):
            assert np.array_equal(old.classify(given).scores, old.classify(read_image(photograph)).scores)
            assert np.array_equal(reduced.classify(given).scores, reduced.classify(_reduced(photograph)).scores)
        expected = [old.classify(read_image(photograph)).scores, reduced.classify(_reduced(photograph)).scores]
        video = tmp_path / "video.mjpeg"
        video.write_bytes(photograph.read_bytes() * 6)
        sink = _Kept()
        pipeline = Pipeline(reduced, [sink], lossless=True)
        offered = Classifier.load(files["full"])
        taken = sink.take

        def offer(item: Observation | SourceState | ModelState) -> None:
            taken(item)
            if len(sink.seen) == 1:
                pipeline.offer(offered)

        sink.take = offer
        pipeline.run(open_source(video))
        answers = [item.prediction.scores for item in sink.seen]
        assert np.array_equal(answers[0], expected[1])
        assert np.array_equal(answers[-1], expected[0])
        assert all(any(np.array_equal(answer, one) for one in expected) for answer in answers)


def test_a_frame_without_a_jpeg_is_unchanged(photograph: Path, files: dict[str, Path]) -> None:
    with Classifier.load(files["reduced"]) as classifier:
        whole = read_image(photograph)
        frame = Frame(whole, 0.0, 0, "video.mp4")
        assert np.array_equal(classifier.fit(frame).batch, classifier.fit(whole).batch)


def test_near_duplicates_do_not_depend_on_the_input_size(photographs: Path, tmp_path: Path) -> None:
    data, _ = read_source(photographs)
    hashes = []
    for size in (32, 224, 320):
        fingerprints = Fingerprints.of(2)
        with decode(data, Preprocessing(size, size, jpeg="reduced"), 0, tmp_path / "cache", Quiet(), fingerprints)[0]:
            hashes.append((fingerprints.hashes.tolist(), fingerprints.details.tolist()))
    assert hashes[0] == hashes[1] == hashes[2]


@pytest.mark.parametrize(("suffix", "size", "times"), [("jpg", 192, 1), ("jpg", 32, 2), ("png", 32, 1)])
def test_training_decodes_twice_only_at_two_sizes(
    suffix: str, size: int, times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for label in "ab":
        (tmp_path / "data" / label).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "data" / label / f"x.{suffix}"), np.full((500, 500, 3), 90, np.uint8))
    data, _ = read_source(tmp_path / "data")
    decoded: list[str] = []
    honest = type(data).decoded
    monkeypatch.setattr(type(data), "decoded", lambda *words: decoded.append(words[1]) or honest(*words))
    rule, fingerprints = Preprocessing(size, size, jpeg="reduced"), Fingerprints.of(2)
    with decode(data, rule, 0, tmp_path / "cache", Quiet(), fingerprints)[0]:
        assert sorted(decoded) == sorted(data.files * times)


def test_camera_faults_are_applied_to_the_pixels_the_network_sees(photographs: Path, files: dict[str, Path]) -> None:
    data, _ = read_source(photographs)
    data = data.take([0])
    with Classifier.load(files["reduced"]) as classifier:
        rule = classifier.card.preprocessing
        expected = classifier.classify(camera_frame(_reduced(photographs / "0" / "large.jpg"), rule)).scores
        assert np.array_equal(measure_under_faults(classifier, data, Quiet()).clean.scores[0], expected)


def test_a_region_is_cropped_at_full_size_unless_reduced_is_given(photographs: Path, tmp_path: Path) -> None:
    region = {"region": (0.25, 0.0, 0.25, 0.5)}
    assert make_config(region).jpeg == "full"
    assert make_config({**region, "jpeg": "reduced"}).jpeg == "reduced"
    assert make_config({"rotate": 180}).jpeg == "reduced"
    mine = tmp_path / "edgeclf.toml"
    mine.write_text("[train]\nregion = [0.25, 0.0, 0.25, 0.5]\n", "utf-8")
    assert configure(TrainTable, {}, mine).config().jpeg == "full"
    assert configure(TrainTable, {"jpeg": "reduced"}, mine).config().jpeg == "reduced"
    run = Run.create(tmp_path / "run", make_config(region), photographs)
    assert Run.open(run.path).config.jpeg == "full"


def test_a_run_records_its_jpeg_rule_and_one_without_it_decodes_in_full(photographs: Path, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", make_config({}), photographs)
    assert preprocessing(Run.open(run.path).config).min_decoded_size == (224, 224)
    file = run.path / "config.toml"
    text = file.read_text("utf-8")
    assert 'jpeg = "reduced"\n' in text
    file.write_text(text.replace('jpeg = "reduced"\n', ""), "utf-8")
    assert Run.open(run.path).config.jpeg == "full"  # as before this option existed
    assert configure(TrainTable, {}, file).jpeg == "full"  # repeats the training
    mine = tmp_path / "edgeclf.toml"
    mine.write_text("[train]\nepochs = 3\n", "utf-8")
    assert configure(TrainTable, {}, mine).jpeg == "reduced"
    assert configure(TrainTable, {"jpeg": "full"}, mine).jpeg == "full"
