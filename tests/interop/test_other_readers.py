"""Other programs read our model file: MediaPipe and tflite-runtime, each in its own environment; the bare interpreter.

make test-interop builds the environments; without them the tests that need one are skipped.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from edgeclf import Quiet, make_config, train
from edgeclf.commands.export import export
from edgeclf_runtime import Classifier
from edgeclf_runtime.commands.teach import teach
from edgeclf_runtime.pictures.images import find_images, read_image
from edgeclf_runtime.pictures.preprocess import Pixels, resize
from edgeclf_runtime.verification import verify
from tests.conftest import SMALL

ROOT = Path(__file__).parents[2]


@pytest.fixture
def model(sure_model: Path) -> Path:
    """A model that is confident in its answers, as other interpreters round differently."""
    return sure_model


def _environment(name: str) -> Path:
    python = ROOT / f".venv-{name}" / "bin" / "python"
    if not python.exists():
        pytest.skip(f"no {python.relative_to(ROOT)}: make test-interop builds it")
    return python


@pytest.fixture
def images(digits: Path, model: Path) -> list[Pixels]:
    """Images of the model's size, so that only the tensors are compared, not the resizing."""
    with Classifier.load(model) as classifier:
        return [resize(read_image(path), classifier.card.preprocessing) for path in find_images(digits)]


def _ours(model: Path, images: list[Pixels]) -> list[tuple[str, float]]:
    with Classifier.load(model) as classifier:
        return [(p.label, p.score) for p in map(classifier.classify, images)]


@pytest.fixture
def photos(digits: Path, tmp_path: Path) -> Path:
    """Ten images each of 0, 1 and 2 under other names, and ten more of 1 and of 2 as further classes."""
    for digit, name, first in (
        ("0", "zero", 0),
        ("1", "one", 0),
        ("2", "two", 0),
        ("1", "eins", 10),
        ("2", "zwei", 10),
    ):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for file in sorted((digits / digit).iterdir())[first : first + 10]:
            shutil.copy(file, tmp_path / "photos" / name)
    return tmp_path / "photos"


def _in_mediapipe(model: Path, images: list[Pixels], tmp_path: Path) -> list[dict[str, Any]]:
    """Return the best label of each image, and its score."""
    python = _environment("mediapipe")
    np.save(tmp_path / "pictures.npy", np.stack(images))
    script = Path(__file__).parent / "mediapipe_labels.py"
    command = [python, script, model, tmp_path / "pictures.npy"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "cannot open shared object file" in done.stderr:
        pytest.skip("MediaPipe needs two system libraries: apt-get install libegl1 libgles2")
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout.splitlines()[-1]))


def test_mediapipe_reads_a_taught_file_with_its_new_labels(
    model: Path, photos: Path, images: list[Pixels], tmp_path: Path
) -> None:
    taught = tmp_path / "taught.tflite"
    done = CliRunner().invoke(teach, [str(model), str(photos), "-o", str(taught)])
    assert done.exit_code == 0, done.output
    theirs = _in_mediapipe(taught, images, tmp_path)
    labels = {other["label"] for other in theirs}
    assert {"zero"} < labels <= {"zero", "one", "two", "eins", "zwei"}
    for (label, score), other in zip(_ours(taught, images), theirs, strict=True):
        assert other["score"] == pytest.approx(score, abs=0.03)
        assert other["label"] == label or score < 0.55


def test_tflite_runtime_teaches(model: Path, photos: Path, tmp_path: Path) -> None:
    python = _environment("tflite")
    words = ["teach", model, photos, "-o", "taught.tflite", "--backend", "tflite-runtime"]
    for command in (words, ["verify", "taught.tflite"]):
        done = subprocess.run(
            [python, "-m", "edgeclf_runtime", *command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    with Classifier.load(tmp_path / "taught.tflite") as classifier:
        assert verify(classifier).passed
        assert set(classifier.card.labels) == {"zero", "one", "two", "eins", "zwei"}


def test_mediapipe_gives_the_same_labels_and_scores(model: Path, images: list[Pixels], tmp_path: Path) -> None:
    theirs = _in_mediapipe(model, images, tmp_path)
    assert len(theirs) == 60
    for (label, score), other in zip(_ours(model, images), theirs, strict=True):
        assert other["score"] == pytest.approx(score, abs=0.03)
        assert other["label"] == label or abs(score - 0.5) < 0.05


def test_tflite_runtime_gives_the_same_labels(model: Path, images: list[Pixels], tmp_path: Path) -> None:
    python = _environment("tflite")
    for number, pixels in enumerate(images):
        cv2.imwrite(str(tmp_path / f"{number:03}.png"), pixels[:, :, ::-1])
    command = [python, "-m", "edgeclf_runtime"]
    verify = [*command, "verify", model, "--backend", "tflite-runtime"]
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert "as exported, with tflite-runtime" in done.stdout, done.stderr
    lines = subprocess.run(
        [*command, "classify", model, tmp_path, "--json"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert [json.loads(line)["label"] for line in lines] == [label for label, _ in _ours(model, images)]


def test_frigates_way_gives_the_same_labels(digits: Path, tmp_path: Path) -> None:
    """A file of Frigate's size, written for it and read in its way, by tflite-runtime as in its container."""
    python = _environment("tflite")
    run = train(digits, tmp_path / "run", make_config({**SMALL, "size": 224, "tune": "head"}), Quiet())
    done = CliRunner().invoke(export, [str(run.path), "--method", "ptq", "--frigate", str(tmp_path / "model_cache")])
    assert done.exit_code == 0, done.output
    assert "pixels" not in done.stderr
    images = sorted(digits.rglob("*.png"))
    script = Path(__file__).parent / "frigate_labels.py"
    read = subprocess.run(
        [python, script, tmp_path / "model_cache" / "run", *images], capture_output=True, text=True, check=False
    )
    assert read.returncode == 0, read.stderr
    with Classifier.load(run.path / "model.tflite") as classifier:
        ours = [classifier.classify(image) for image in images]
    theirs = json.loads(read.stdout)
    assert np.mean([label == mine.label for (label, _), mine in zip(theirs, ours, strict=True)]) >= 0.98
    assert np.mean([abs(score - mine.score) for (_, score), mine in zip(theirs, ours, strict=True)]) < 0.03


def test_the_bare_interpreter_gives_the_same_scores(model: Path, images: list[Pixels]) -> None:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(model))
    interpreter.allocate_tensors()
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
    for pixels, (label, score) in zip(images, _ours(model, images), strict=True):
        interpreter.set_tensor(source["index"], pixels[np.newaxis])
        interpreter.invoke()
        stored = interpreter.get_tensor(target["index"])[0]
        assert "012"[int(stored.argmax())] == label
        assert stored.max() / 256 == pytest.approx(score)
