"""A conversion gives the same bytes every time, and is refused if it cannot give what was requested."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeclf_converters import ConversionError, convert, convert_int8, export
from edgeclf_converters.frameworks import keras
from edgeclf_converters.tflite import convert as conversion
from edgeclf_converters.tflite.convert import MODES
from edgeclf_converters.work_folder import work_folder
from edgeclf_runtime import Classifier, ModelCard, Preprocessing
from edgeclf_runtime.model.flatbuffer import read_flat_model
from edgeclf_runtime.model.metadata import read_metadata

RULE = Preprocessing(32, 32)
LABELS = ("a", "b", "c")


@pytest.fixture(scope="module")
def network() -> object:
    layers = keras().layers
    keras().utils.set_random_seed(0)
    image = layers.Input((32, 32, 3))
    x = layers.Conv2D(8, 3, strides=2, activation="relu")(image)
    x = layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    return keras().Model(image, x)


def _images(count: int) -> list[np.ndarray]:
    """Return smooth images; noise is refused for calibration."""
    waves = np.random.default_rng(0).uniform(0, 0.3, (count, 1, 1, 3))
    y, x = np.mgrid[0:32, 0:32]
    return list((127 + 120 * np.sin(waves * (x + 2 * y)[None, :, :, None])).astype(np.uint8))


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_gives_the_networks_scores(network: object, mode: str, tmp_path: Path) -> None:
    card, images = ModelCard("tiny", LABELS, RULE), _images(8)
    export(network, tmp_path / "m.tflite", card, mode=mode, calibration=images, golden=images[:2])
    wanted = network((np.stack(images).astype(np.float32) - 127) / 128).numpy()
    with Classifier.load(tmp_path / "m.tflite") as classifier:
        scores = np.stack([classifier.classify(picture).scores for picture in images])
    assert abs(scores - wanted).max() < 0.02


def test_the_same_conversion_gives_the_same_bytes(network: object, tmp_path: Path) -> None:
    card, images = ModelCard("tiny", LABELS, RULE), _images(8)
    for name in ("one", "two"):
        export(network, tmp_path / name, card, mode="int8", calibration=images, golden=images)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("mode", MODES)
def test_the_bytes_are_those_of_a_conversion_of_the_whole_keras_model(
    network: object, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = _images(8) if mode == "int8" else []
    quick = convert(network, mode, images, RULE)
    made = conversion._converter

    def saving(model: Any, shape: tuple[int, ...]) -> Any:
        converter = made(model, shape)
        assert not converter.experimental_lower_to_saved_model
        converter.experimental_lower_to_saved_model, converter._trackable_obj = True, network
        return converter

    monkeypatch.setattr(conversion, "_converter", saving)
    monkeypatch.setattr(conversion, "with_signature", bytes)
    assert convert(network, mode, images, RULE) == quick


def test_the_standard_metadata_is_in_the_file(network: object, tmp_path: Path) -> None:
    export(network, tmp_path / "m.tflite", ModelCard("tiny", LABELS, RULE), mode="float32")
    metadata = read_metadata(read_flat_model((tmp_path / "m.tflite").read_bytes()).metadata)
    assert (metadata.name, metadata.mean, metadata.std) == ("tiny", (127.0,) * 3, (128.0,) * 3)
    assert [file.name for file in metadata.label_files] == ["labels.txt"]


def test_bad_arguments_are_one_line(network: object, tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="expected one of int8"):
        convert(network, "int4", [], RULE)
    with pytest.raises(ConversionError, match="needs calibration images"):
        convert(network, "int8", [], RULE)
    with pytest.raises(ConversionError, match=r"expected \[32, 32, 3\]"):
        convert(network, "int8", [np.zeros((8, 8, 3), np.uint8)], RULE)
    with pytest.raises(ConversionError, match="its preprocessing gives"):
        convert(network, "float32", [], Preprocessing(64, 64))


def test_a_failed_export_leaves_the_old_file(network: object, tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(b"old")
    card = ModelCard("tiny", ("a", "b"), RULE)
    with pytest.raises(ConversionError, match="2 labels for the network's 3 outputs"):
        export(network, tmp_path / "m.tflite", card, mode="float32")

    def measure(classifier: Classifier) -> dict[str, float]:
        raise RuntimeError(classifier.path.name)

    with pytest.raises(RuntimeError, match=r"m\.tflite"):
        export(network, tmp_path / "m.tflite", ModelCard("tiny", LABELS, RULE), mode="float32", measure=measure)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("m.tflite", b"old")]


def test_a_card_of_lists_and_numpys_numbers_is_written(network: object, tmp_path: Path) -> None:
    mean: Any = [np.float32(127)] * 3
    given: Any = {"epochs": np.int64(10), "notes": "two\nlines"}
    card = ModelCard("tiny\n1", list(LABELS), Preprocessing(np.int64(32), 32, mean=mean), provenance=given)
    export(
        network, tmp_path / "m.tflite", card, mode="float32", measure=lambda classifier: {"validation": np.float32(0.5)}
    )
    with Classifier.load(tmp_path / "m.tflite") as classifier:
        written = classifier.card
    assert (written.name, written.labels, written.preprocessing) == ("tiny 1", LABELS, RULE)
    assert (written.provenance, written.accuracy) == ({"epochs": "10", "notes": "two lines"}, {"validation": 0.5})


def test_content_that_does_not_fit_a_file_is_refused_before_the_conversion(network: object, tmp_path: Path) -> None:
    def refused(message: str, card: ModelCard, golden: list[np.ndarray], name: str = "m.tflite") -> None:
        with pytest.raises(ConversionError, match=message):
            convert_int8(network, [], tmp_path / name, card, golden=golden)  # without images; these are the next case

    card = ModelCard("tiny", LABELS, RULE)
    refused("needs calibration images", card, [])
    refused("expected at most 64", card, [np.zeros((8, 8, 3), np.uint8)] * 65)
    refused("of 400x8, expected at most 320", card, [np.zeros((8, 400, 3), np.uint8)])
    refused("expected uint8", card, [np.zeros((8, 8, 3), np.float32)])
    refused("one line of visible text", ModelCard("tiny", ("a", "b\n", "c"), RULE), [])
    refused("set RGB", ModelCard("tiny", LABELS, Preprocessing(32, 32, color="BGR")), [])
    refused(r"n\\xff\.tflite: its path is not UTF-8", card, [], "n\udcff.tflite")
    assert not list(tmp_path.iterdir())


def test_threads_that_write_the_same_file_do_not_disturb_each_other(tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as pool:  # their locks exclude each other like those of processes
        assert list(pool.map(_make_often, [tmp_path / "m.tflite"] * 3)) == [300] * 3
    assert not list(tmp_path.iterdir())


def _make_often(path: Path) -> int:
    made = 0
    for _ in range(300):
        with work_folder(path) as folder:
            (folder / "x").write_bytes(b"x")
            made += (folder / "x").exists()
    return made


def test_the_next_process_removes_the_files_of_a_killed_one(tmp_path: Path) -> None:
    with work_folder(tmp_path / "m.tflite") as folder:
        left, foreign = folder.with_name(f"{folder.name}left"), tmp_path / ".m.tflite.work.00000000.elsewhere"
    for work in (left, foreign):
        work.mkdir()
    with work_folder(tmp_path / "m.tflite"):
        assert (left.exists(), foreign.exists()) == (False, True)  # another machine may be using it
