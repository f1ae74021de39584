"""Small real fixtures that many tests share: photographs, trainings, model files."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeclf import Quiet, Run, export, make_config, train
from edgeclf.demo import digit_picture
from edgeclf.model.backbones.efficientnet_lite import Stage
from edgeclf.model.backbones.registry import BACKBONES
from tests.clean_copy import clean_copy
from tests.edgeclf.several_labels import shapes_csv

SMALL: dict[str, object] = {"size": 64, "train_size": 64, "epochs": 2, "batch_size": 16, "flip": False, "test": 0.15}


@contextmanager
def shallow_networks() -> Iterator[None]:
    """Give EfficientNet-Lite0 three blocks and random weights within a ``with`` block.

    It has each kind of layer, and TensorFlow prepares it in a fraction of the time, most of a small training's.
    """
    stages, lite = (Stage(1, 3, 1, 1, 16), Stage(2, 5, 2, 6, 24)), BACKBONES["efficientnet-lite0"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgeclf.model.backbones.efficientnet_lite._STAGES", stages)
        patch.setitem(BACKBONES, lite.name, dataclasses.replace(lite, load=lambda model, name, weights: None))
        yield


@pytest.fixture
def shallow() -> Iterator[None]:
    """Use ``shallow_networks`` in a test."""
    with shallow_networks():
        yield


@pytest.fixture(scope="module")
def shallow_module() -> Iterator[None]:
    """Use ``shallow_networks`` in a module, whose tests must not request a training that others share."""
    with shallow_networks():
        yield


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs of the digits 0, 1 and 2, twenty of each."""
    from sklearn.datasets import load_digits

    folder, data = tmp_path_factory.mktemp("digits"), load_digits()
    for digit in range(3):
        (folder / str(digit)).mkdir()
        for row in np.flatnonzero(data.target == digit)[:20]:
            cv2.imwrite(str(folder / str(digit) / f"{row}.png"), digit_picture(data.images[row])[:, :, ::-1])
    return folder


@pytest.fixture(scope="session")
def run(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished training on the digits."""
    return train(digits, tmp_path_factory.mktemp("runs") / "digits", make_config(SMALL), Quiet())


@pytest.fixture(scope="session")
def model(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The int8 model file of ``run``."""
    path = tmp_path_factory.mktemp("models") / "digits.tflite"
    export(run, path, "int8", Quiet())
    return path


@pytest.fixture(scope="session")
def sure_model(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The int8 model file of a network with confident answers, which other rounding does not change."""
    folder = tmp_path_factory.mktemp("sure")
    run = train(digits, folder / "run", make_config({**SMALL, "tune": "head"}), Quiet())
    return export(run, folder / "digits.tflite", "int8", Quiet()).path


@pytest.fixture(scope="session")
def label_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished training on images that have none to three of three labels."""
    folder = tmp_path_factory.mktemp("several-labels")
    options = {**SMALL, "epochs": 1, "validation": 0.25, "test": 0.2, "several_labels": True, "mixup": 0.2}
    return train(shapes_csv(folder), folder / "run", make_config(options), Quiet())


@pytest.fixture(scope="session")
def label_model(label_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The int8 model file of ``label_run``."""
    return export(label_run, tmp_path_factory.mktemp("models") / "labels.tflite", "int8", Quiet(), method="ptq").path


@pytest.fixture(scope="session")
def float_model(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The float32 model file of ``run``."""
    path = tmp_path_factory.mktemp("models") / "digits-float.tflite"
    export(run, path, "float32", Quiet())
    return path


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheels of all distributions."""
    clone, folder = clean_copy(tmp_path_factory.mktemp("clone")), tmp_path_factory.mktemp("wheels")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*build, "--wheel-dir", folder, "./runtime", "./converters", "./fleet", "."], cwd=clone, check=True)
    return folder
