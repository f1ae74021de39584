"""The network sees the same part of a camera's image in training, in evaluations, in the file and on the device."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgeclf import Quiet, Run, export, make_config, train
from edgeclf.commands.train import train as train_command
from edgeclf.config.idle_options import without_effect
from edgeclf.data.sources import read_source
from edgeclf.errors import ConfigError, DataError, RunError
from edgeclf_runtime import Classifier, read_image
from edgeclf_runtime.pictures.view import View
from tests.runtime.still_camera import StillCamera

pytestmark = pytest.mark.usefixtures("shallow_module")

REGION = (0.5, 0.25, 0.25, 0.5)
HEAD: dict[str, object] = {"size": 64, "tune": "head", "group": "none", "test": 0.2}
VIEW: dict[str, object] = {"region": REGION, "rotate": 90, "camera_flip": "horizontal"}


@pytest.fixture(scope="module")
def wholes(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits as seen by a camera mounted on its side: each fills the region exactly."""
    folder, rng = tmp_path_factory.mktemp("wholes"), np.random.default_rng(0)
    for file in sorted(digits.rglob("*.png")):
        pixels = cv2.imread(str(file))
        height, width = pixels.shape[:2]
        whole = rng.integers(0, 255, (2 * height, 4 * width, 3), np.uint8)
        whole[height // 2 : height // 2 + height, 2 * width : 3 * width] = pixels
        (folder / file.parent.name).mkdir(exist_ok=True)
        given = cv2.rotate(cv2.flip(whole, 1), cv2.ROTATE_90_COUNTERCLOCKWISE)
        cv2.imwrite(str(folder / file.parent.name / file.name), given)
    return folder


@pytest.fixture(scope="module")
def cut_run(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A training on images that are already cropped."""
    return train(digits, tmp_path_factory.mktemp("runs") / "cut", make_config({**HEAD, **VIEW}), Quiet())


@pytest.fixture(scope="module")
def whole_run(wholes: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A training on the camera's whole images, by the command."""
    run = tmp_path_factory.mktemp("runs") / "whole"
    words = [wholes, "--out", run, "--size", 64, "--tune", "head", "--group", "none", "--test", 0.2]
    view = ["--region", "0.5,0.25,0.25,0.5", "--rotate", 90, "--camera-flip", "horizontal", "--whole"]
    train_command(list(map(str, [*words, *view])), standalone_mode=False)
    return Run.open(run)


@pytest.fixture(scope="module")
def exported(whole_run: Run) -> Path:
    path = whole_run.path / "model.tflite"
    export(whole_run, path, "float32", Quiet())
    return path


def _command(*words: object) -> Any:
    done = subprocess.run([sys.executable, "-m", "edgeclf_runtime", *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(row for row in map(json.loads, done.stdout.splitlines()) if "state" not in row)


def test_whole_images_train_the_same_network_as_their_regions(cut_run: Run, whole_run: Run) -> None:
    first, second = cut_run.read_arrays("weights"), whole_run.read_arrays("weights")
    assert all(np.array_equal(first[name], second[name]) for name in first)
    for name in ("validation", "test"):
        assert cut_run.read_json("metrics")[name] == whole_run.read_json("metrics")[name]
    assert cut_run.read_split().files == whole_run.read_split().files
    file = whole_run.read_split().files[0]
    assert np.array_equal(whole_run.read_split().picture(file), cut_run.read_split().picture(file))


def test_the_model_file_stores_the_view_and_its_accuracy_uses_it(exported: Path, whole_run: Run) -> None:
    with Classifier.load(exported) as classifier:
        assert classifier.card.view == View(REGION, 90, "horizontal")
        figures = dict(classifier.card.accuracy)
    for part in ("validation", "test"):
        assert figures[f"{part}_float32"] == whole_run.read_json("metrics")[part]["accuracy"]


@pytest.fixture
def camera(digits: Path, wholes: Path) -> Iterator[tuple[StillCamera, list[Path]]]:
    """A camera that shows the first image of a list."""
    shown = [sorted((wholes / "0").iterdir())[0]]
    camera = StillCamera(kind="image/png", image=lambda number: shown[0].read_bytes())
    yield camera, shown
    camera.close()


def test_the_camera_gives_the_same_answers_as_training(
    exported: Path, camera: tuple[StillCamera, list[Path]], digits: Path, wholes: Path
) -> None:
    server, shown = camera
    words = ["run", exported, "--source", f"http://127.0.0.1:{server.port}/", "--max-frames", "1", "--json"]
    with Classifier.load(exported) as classifier:
        for label in ("0", "1", "2"):
            shown[0] = sorted((wholes / label).iterdir())[-1]
            row = _command(*words)
            expected = classifier.classify(read_image(digits / label / shown[0].name))
            assert row["label"] == label
            assert row["scores"][0]["score"] == pytest.approx(expected.score, abs=1e-5)


def test_evaluate_crops_files_only_with_whole(exported: Path, digits: Path, wholes: Path, whole_run: Run) -> None:
    cut, whole = (_command("evaluate", exported, folder, "--json") for folder in (digits, wholes))
    marked = _command("evaluate", exported, wholes, "--whole", "--json")
    assert marked["accuracy"] == cut["accuracy"] > 0.9
    assert marked["confusion"] == cut["confusion"]
    assert whole["accuracy"] < 0.7
    own = _command("evaluate", whole_run.path, "--json")  # its test part, seen as in training
    assert own["accuracy"] == whole_run.read_json("metrics")["test"]["accuracy"]


def test_the_config_of_a_run_repeats_its_view(whole_run: Run, cut_run: Run) -> None:
    assert whole_run.config.view_of(whole_run.data) == whole_run.config.view == View(REGION, 90, "horizontal")
    assert (cut_run.config.view, cut_run.config.view_of(cut_run.data)) == (whole_run.config.view, View())


def test_only_the_named_sources_are_treated_as_whole_images(digits: Path, wholes: Path, tmp_path: Path) -> None:
    """For example whole photographs, together with snapshots, which are already cropped."""
    sources = [digits, wholes]
    run = Run.create(tmp_path / "run", make_config({**HEAD, **VIEW, "whole": (wholes,)}), sources)
    listed = read_source(sources)[0]
    run.write_split(listed.with_parts(["train"] * len(listed.files)), [])
    for data in (run.seen(listed), Run.open(tmp_path / "run").read_split()):
        one, other = (next(file for file in data.files if file.startswith(f"{number}/2/")) for number in (1, 2))
        assert one[1:] == other[1:]
        assert np.array_equal(data.picture(one), data.picture(other))
    elsewhere = Run(tmp_path, make_config({**VIEW, "whole": tmp_path}), sources)
    with pytest.raises(RunError, match=r"whole: .* is not one of the sources of photographs"):
        elsewhere.seen(listed)
    with pytest.raises(DataError, match="gone: no such folder"):  # it names a source
        train_command([str(digits), "--whole", str(tmp_path / "gone"), "--rotate", "90"], standalone_mode=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"region": (0.5, 0, 0.6, 1)}, "region: expected left, top, width, height as shares within 0 to 1"),
        ({"rotate": 45}, "rotate: "),
        ({"camera_flip": "left"}, "camera_flip: "),
    ],
)
def test_contradicting_view_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_config(options)
    idle = without_effect(make_config({"whole": True}), ())
    assert idle == {"no region, rotate or camera_flip is set": ["whole"]}
