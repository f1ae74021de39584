"""A message that counts one thing uses the singular."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import edgeclf.frameworks
import edgeclf_runtime.benchmark
from edgeclf import make_config
from edgeclf.commands.evaluate import evaluate as evaluate_command
from edgeclf.comparison.methods import measure_cell
from edgeclf.data.dataset import Dataset
from edgeclf.data.division import split
from edgeclf.errors import DataError
from edgeclf.runs.run import Run
from edgeclf_converters import ConversionError, Labelled, convert_int8, export
from edgeclf_converters.edgetpu.check import EdgeTpuCheck
from edgeclf_converters.frameworks import keras
from edgeclf_converters.graph.nodes import flatten
from edgeclf_runtime import ModelCard, Preprocessing
from edgeclf_runtime.cli import cli
from edgeclf_runtime.errors import LabelsError
from tests.listening import Listening

RULE = Preprocessing(32, 32)
WAVES = np.tile(np.arange(0, 256, 8, dtype=np.uint8)[None, :, None], (32, 1, 3))  # noise is refused as calibration


def _network() -> Any:
    layers = keras().layers
    image = layers.Input((32, 32, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(image))
    return keras().Model(image, layers.Dense(2, activation="softmax")(x))


def test_a_class_with_one_image() -> None:
    data = Dataset(Path("x"), ("a", "b"), tuple(map(str, range(11))), np.array([0] + [1] * 10), ("",) * 11)
    with pytest.raises(DataError, match="class 'a' has 1 readable image; at least"):
        split(data, 0.2, 0.0, 0)


def test_a_comparison_on_one_training_image(tmp_path: Path) -> None:
    data = Dataset(tmp_path, ("a",), ("1.png", "2.png"), np.array([0, 0]), ("train", "test"))
    listening = Listening()
    with pytest.raises(DataError):  # none of the images exists
        measure_cell(data, tmp_path / "work", "hog-svm", 5, make_config({}), listening)
    assert any("5% (1 image), seed 0" in line for line in listening.lines)


def test_an_evaluation_on_one_image_of_the_training(run: Run, model: Path, tmp_path: Path) -> None:
    data = run.read_split()
    image = data.files[data.rows("train")[0]]
    (tmp_path / "photos" / image).parent.mkdir(parents=True)
    (tmp_path / "photos" / image).write_bytes((data.root / image).read_bytes())
    own = tmp_path / "own"
    own.mkdir()
    for path in run.path.iterdir():
        (own / path.name).symlink_to(path)
    (own / "model.tflite").symlink_to(model)
    page = tmp_path / "page.html"
    done = CliRunner().invoke(evaluate_command, [str(own), str(tmp_path / "photos"), "--page", str(page)])
    assert done.exit_code == 0, done.output
    assert "Warning: of 1 image, 1 is in the run's train part, so" in done.stderr
    assert "Evaluated on 1 image of" in page.read_text("utf-8")


def test_a_conversion_judged_on_one_image(tmp_path: Path) -> None:
    messages: list[str] = []
    one = Labelled(WAVES[None], np.array([0]))
    card, network = ModelCard("tiny", ("a", "b"), RULE), _network()
    done = convert_int8(
        network, [WAVES], tmp_path / "m.tflite", card, validation=one, method="ptq", say=messages.append
    )
    assert any(line.startswith("Evaluating on 1 image:") for line in messages)
    assert "on 1 image, judged by" in done.card.provenance["int8 drop"]


def test_arguments_of_a_conversion(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="1 image, targets of shape"):
        Labelled(WAVES[None], np.array([0, 1]))
    with pytest.raises(ConversionError, match="The card has 1 label for the network's 2 outputs"):
        export(_network(), tmp_path / "m.tflite", ModelCard("tiny", ("a",), RULE), mode="float32")
    both = _network()
    with pytest.raises(ConversionError, match="1 input and 2 outputs, not one of each"):
        flatten(keras().Model(both.input, [both.output, both.layers[1].output]))
    with pytest.raises(LabelsError, match="2 label ids for 1 label"):
        ModelCard("tiny", ("a",), RULE, label_ids=("x", "y"))
    assert str(EdgeTpuCheck(1, 1, ())) == "Edge TPU: 1 of 1 operator, all of them"


def test_a_golden_image_and_a_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, card = tmp_path / "m.tflite", ModelCard("tiny", ("a", "b"), RULE)
    export(_network(), model, card, mode="float32", golden=[WAVES])

    def output(*words: object) -> str:
        done = CliRunner().invoke(cli, [str(word) for word in words])
        assert done.exit_code == 0, done.output
        return done.output

    assert re.search(r"(?m)^golden +1 image$", output("inspect", model))
    assert json.loads(output("inspect", model, "--json"))["golden_pictures"] == 1
    assert "on 1 golden image." in output("verify", model)
    monkeypatch.setattr(edgeclf_runtime.benchmark, "usable_cores", lambda: 1)
    monkeypatch.setattr(edgeclf.frameworks, "usable_cores", lambda: 1)
    assert ", 1 core; frames of" in output("bench", model, "--seconds", "0.05", "--threads", "1", "--size", "64x64")
    assert edgeclf.frameworks.device_in_use.__wrapped__() == "CPU (1 core)"
