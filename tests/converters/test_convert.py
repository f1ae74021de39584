"""Conversions: refused where they would not be what was asked for, the same bytes every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeclf_converters import ConversionError, convert, export
from edgeclf_converters.frameworks import keras
from edgeclf_runtime import Classifier, ModelCard, Preprocessing
from edgeclf_runtime.flatbuffer import read_flat_model
from edgeclf_runtime.metadata import read_metadata

RULE = Preprocessing(32, 32)


@pytest.fixture(scope="module")
def network() -> object:
    layers = keras().layers
    keras().utils.set_random_seed(0)
    image = layers.Input((32, 32, 3))
    x = layers.Conv2D(8, 3, strides=2, activation="relu")(image)
    x = layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    return keras().Model(image, x)


def _pictures(count: int) -> list[np.ndarray]:
    """Smooth ones: noise is refused as calibration."""
    waves = np.random.default_rng(0).uniform(0, 0.3, (count, 1, 1, 3))
    y, x = np.mgrid[0:32, 0:32]
    return list((127 + 120 * np.sin(waves * (x + 2 * y)[None, :, :, None])).astype(np.uint8))


@pytest.mark.parametrize("mode", ["int8", "float32", "float16", "dynamic"])
def test_every_mode_gives_the_networks_scores(network: object, mode: str, tmp_path: Path) -> None:
    card, pictures = ModelCard("tiny", ("a", "b", "c"), RULE), _pictures(8)
    export(network, tmp_path / "m.tflite", card, mode=mode, calibration=pictures, golden=pictures[:2])
    wanted = network((np.stack(pictures).astype(np.float32) - 127) / 128).numpy()  # type: ignore[operator]
    with Classifier.load(tmp_path / "m.tflite") as classifier:
        scores = np.stack([classifier.classify(picture).scores for picture in pictures])
    assert abs(scores - wanted).max() < 0.02


def test_the_same_conversion_gives_the_same_bytes(network: object, tmp_path: Path) -> None:
    card, pictures = ModelCard("tiny", ("a", "b", "c"), RULE), _pictures(8)
    for name in ("one", "two"):
        export(network, tmp_path / name, card, mode="int8", calibration=pictures, golden=pictures)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_the_standard_metadata_is_in_the_file(network: object, tmp_path: Path) -> None:
    export(network, tmp_path / "m.tflite", ModelCard("tiny", ("a", "b", "c"), RULE), mode="float32")
    metadata = read_metadata(read_flat_model((tmp_path / "m.tflite").read_bytes()).metadata)
    assert (metadata.name, metadata.mean, metadata.std) == ("tiny", (127.0,) * 3, (128.0,) * 3)
    assert [file.name for file in metadata.label_files] == ["labels.txt"]


def test_bad_arguments_are_one_line(network: object, tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="expected one of int8"):
        convert(network, "int4", [], RULE)
    with pytest.raises(ConversionError, match="needs calibration pictures"):
        convert(network, "int8", [], RULE)
    with pytest.raises(ConversionError, match=r"expected \[32, 32, 3\]"):
        convert(network, "int8", [np.zeros((8, 8, 3), np.uint8)], RULE)
    with pytest.raises(ConversionError, match="its preprocessing gives"):
        convert(network, "float32", [], Preprocessing(64, 64))


def test_a_failed_export_leaves_the_old_file(network: object, tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(b"old")
    card = ModelCard("tiny", ("a", "b"), RULE)
    with pytest.raises(ValueError, match="2 labels for 3 outputs"):
        export(network, tmp_path / "m.tflite", card, mode="float32")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("m.tflite", b"old")]
