"""The part of an import after the converter, on a float file of a run: its checks, card, images and page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeclf import Quiet
from edgeclf.errors import DataError
from edgeclf.importing.images import ImportImages, found_images, read_images
from edgeclf.importing.import_model import InputRule, check_agreement, import_onnx, with_scores, write_int8
from edgeclf_converters.frameworks import keras
from edgeclf_converters.graph.float_network import float_network
from edgeclf_converters.parity.scores import network_scores
from edgeclf_runtime import Classifier, ModelError
from edgeclf_runtime.model.card import ModelCard
from edgeclf_runtime.model.rewrite import network_of
from edgeclf_runtime.verification import verify


@pytest.fixture
def card(float_model: Path) -> ModelCard:
    with Classifier.load(float_model) as classifier:
        return ModelCard("network", classifier.card.labels, classifier.card.preprocessing)


def _images(folder: Path, card: ModelCard) -> ImportImages:
    return read_images(folder, found_images(folder), card.preprocessing, card.labels, Quiet())


def test_the_int8_file_is_complete_and_compared(
    float_model: Path, digits: Path, card: ModelCard, tmp_path: Path
) -> None:
    network = with_scores(float_network(network_of(float_model.read_bytes())))
    done = write_int8(network, tmp_path / "m.tflite", card, _images(digits, card), Quiet(), 100)
    with Classifier.load(tmp_path / "m.tflite") as classifier:
        assert classifier.card.labels == card.labels
        assert set(classifier.card.accuracy) == {"validation_float", "validation_int8"}
        assert classifier.golden
        assert verify(classifier).passed
        assert classifier.familiarity is not None
    report = json.loads((tmp_path / "m.parity.json").read_text())
    assert report["judged_by"] == "their labels"
    assert (tmp_path / "m.parity.html").exists()
    assert done.edgetpu.mapped == done.edgetpu.operators


def test_labels_are_those_of_folders_with_their_names(digits: Path, card: ModelCard) -> None:
    given = _images(digits, card)
    assert given.targets is not None
    assert [card.labels[target] for target in given.targets] == [file.parent.name for file in given.judged_files]
    assert not set(given.judged_files) & set(given.calibration_files)
    assert read_images(digits, found_images(digits), card.preprocessing, ["a", "b"], Quiet()).targets is None


def test_few_images_are_refused(tmp_path: Path, card: ModelCard) -> None:
    with pytest.raises(DataError, match="has 0 images; give at least 20"):
        _images(tmp_path, card)


def test_a_network_that_differs_from_onnx_is_refused(float_model: Path, digits: Path, card: ModelCard) -> None:
    network, given = float_network(network_of(float_model.read_bytes())), _images(digits, card)
    wanted = network_scores(network, given.judged[:4], card.preprocessing)
    assert check_agreement(network, wanted, given, card.preprocessing) < 1e-6
    with pytest.raises(DataError, match="differ from ONNX Runtime by"):
        check_agreement(network, wanted[:, ::-1] * np.float32(1.1), given, card.preprocessing)


def test_a_network_that_ends_in_a_sigmoid_is_refused_by_its_layer() -> None:
    layers = keras().layers
    image = layers.Input((8, 8, 3))
    scores = layers.Activation("sigmoid", name="last")(layers.GlobalAveragePooling2D()(image))
    with pytest.raises(DataError, match="Layer 'last': the network ends in a sigmoid"):
        with_scores(keras().Model(image, scores))


def test_one_mean_is_that_of_all_channels() -> None:
    rule = InputRule((127.0,), (1.0, 2.0, 3.0), crop=0.875).preprocessing(4, 6)
    assert (rule.mean, rule.std) == ((127.0,) * 3, (1.0, 2.0, 3.0))
    assert (rule.height, rule.width, rule.resize, rule.crop) == (4, 6, "crop", 0.875)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"std": (0.0,)}, "std above 0"),
        ({"mean": (float("nan"),)}, "finite numbers"),
        ({"size": 0}, "Input size 0x0"),
        ({"size": -3}, "Input size -3x-3"),
    ],
)
def test_an_invalid_rule_is_refused_before_anything_is_read(rule: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        InputRule(**{"mean": (127.0,), "std": (128.0,), **rule})


def test_images_are_looked_for_before_a_converter_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "network.onnx").write_bytes(b"\x08\x07")
    rule, none = InputRule((127.0,), (128.0,)), tmp_path / "none"
    with pytest.raises(DataError, match="none"):
        import_onnx(tmp_path / "network.onnx", tmp_path / "m.tflite", ["a"], rule, none, tmp_path / "env", Quiet())
    assert [file.name for file in tmp_path.iterdir()] == ["network.onnx"]
