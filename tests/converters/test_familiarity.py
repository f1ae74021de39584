"""Familiarity of a network from outside edgeclf: fitted to images in memory, stored in the file, read on the device."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgeclf_converters import Labelled, convert_int8
from edgeclf_converters.frameworks import keras
from edgeclf_runtime import Classifier, ModelCard, ModelError, Preprocessing
from edgeclf_runtime.learning.familiarity import fit_familiarity
from edgeclf_runtime.model.familiarity import read_familiarity
from edgeclf_runtime.model.file import read_model
from edgeclf_runtime.model.prototypes import prototypes_of
from tests.model_files import bare

RULE, LABELS = Preprocessing(32, 32), ("a", "b", "c")


def _waves(count: int, seed: int) -> Labelled:
    """Return images of smooth waves; the class is the colour channel."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:32, 0:32]
    targets = rng.integers(0, 3, count)
    pixels = np.zeros((count, 32, 32, 3), np.uint8)
    for row, target in enumerate(targets):
        pixels[row, ..., target] = 127 + 120 * np.sin(rng.uniform(0.1, 0.3) * (x + 2 * y) + rng.uniform(0, 6))
    return Labelled(pixels, targets)


def _network(ends_in: str) -> Any:
    layers = keras().layers
    keras().utils.set_random_seed(0)
    image = layers.Input((32, 32, 3))
    x = layers.Conv2D(16, 3, strides=2, activation="relu")(image)
    x = layers.GlobalAveragePooling2D(keepdims=ends_in == "convolution")(layers.Conv2D(32, 3, activation="relu")(x))
    if ends_in == "convolution":
        return keras().Model(image, layers.Softmax()(layers.Flatten()(layers.Conv2D(3, 1)(x))))
    return keras().Model(image, layers.Dense(3, activation="softmax")(x))


@pytest.fixture(scope="module", params=["dense", "convolution"])
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The int8 file of a network that ends in a dense layer, as ours do, or in a convolution, as Coral's do."""
    path = tmp_path_factory.mktemp("familiar") / "m.tflite"
    train, validation = _waves(90, 0), _waves(60, 1)
    card = ModelCard("waves", LABELS, RULE)
    network, labelled = _network(request.param), list(train.pixels)
    convert_int8(network, labelled, path, card, validation=validation, training=lambda: train, method="ptq")
    return path


def test_the_file_says_how_familiar_an_image_is(written: Path) -> None:
    own, noise = _waves(60, 2).pixels, np.random.default_rng(0).integers(0, 256, (30, 32, 32, 3)).astype(np.uint8)
    with Classifier.load(written) as classifier:
        assert classifier.card.reject == 0.05
        familiar = [classifier.classify(pixels).familiarity for pixels in own]
        strange = [classifier.classify(pixels).familiarity for pixels in noise]
    assert all(value is not None and 0 <= value <= 1 for value in [*familiar, *strange])
    assert np.mean([value < 0.05 for value in familiar]) < 0.2
    assert max(strange) < 0.05


def test_without_held_out_images_there_is_none(tmp_path: Path) -> None:
    card = ModelCard("waves", LABELS, RULE)
    convert_int8(_network("dense"), list(_waves(20, 0).pixels), tmp_path / "m.tflite", card, method="ptq")
    model = read_model(tmp_path / "m.tflite")
    assert model.familiarity is None
    assert model.card.reject is None


def test_half_of_the_validation_images_are_less_familiar_than_their_median() -> None:
    rng = np.random.default_rng(0)
    train, validation, new = (np.abs(rng.normal(1, 0.3, (count, 40))).astype(np.float32) for count in (200, 150, 400))
    fitted = fit_familiarity(train, np.arange(200) % 2, validation)
    shares = np.array([fitted.of(row) for row in new])
    assert abs(np.median(shares) - 0.5) < 0.1
    assert abs((shares < 0.05).mean() - 0.05) < 0.04
    assert fitted.of(np.full(40, np.nan, np.float32)) == fitted.of(np.zeros(40, np.float32)) == 0


def test_few_validation_images_refuse_no_more_than_many() -> None:
    rng, refused = np.random.default_rng(0), []
    mix = rng.normal(0, 1, (6, 200))  # a few causes of many features, as in a real network
    for _ in range(5):
        train, validation, new = (_ones(rng, count, mix) for count in (100, 6, 200))
        fitted = fit_familiarity(train, np.arange(100) % 2, validation)
        refused.append(np.mean([fitted.of(row) < 0.05 for row in new]))
    assert 0.01 < np.mean(refused) < 0.08
    assert max(refused) < 0.12


def test_without_validation_images_the_training_images_are_left_out_in_turn() -> None:
    rng, refused = np.random.default_rng(0), []
    mix = rng.normal(0, 1, (6, 200))
    for count in (6, 50, 150):
        train, new = _ones(rng, count, mix), _ones(rng, 200, mix)
        fitted = fit_familiarity(train, np.arange(count) % 2, None)
        refused.append(np.mean([fitted.of(row) < 0.05 for row in new]))
        strange = _ones(rng, 50, rng.normal(0, 1, (6, 200)))
        assert np.mean([fitted.of(row) < 0.05 for row in strange]) > 0.9 or count < 10
    assert refused[0] < 0.4  # with six images, the least familiar 5% are a guess
    assert max(refused[1:]) < 0.12


def _ones(rng: np.random.Generator, count: int, mix: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    causes = rng.normal(0, 1, (count, len(mix)))
    return np.maximum(causes @ mix + rng.normal(0, 0.5, (count, mix.shape[1])), 0).astype(np.float32)


def test_images_that_resemble_one_another_do_not_vouch_for_each_other() -> None:
    rng = np.random.default_rng(0)
    scenes = rng.gamma(2, 1, (40, 60)).repeat(5, axis=0)
    train = (scenes + rng.normal(0, 0.01, scenes.shape)).astype(np.float32)
    validation, new = (rng.gamma(2, 1, (count, 60)).astype(np.float32) for count in (10, 200))
    groups, targets = np.arange(40).repeat(5), np.zeros(200, np.int64)
    apart = fit_familiarity(train, targets, validation, groups=groups)
    together = fit_familiarity(train, targets, validation)
    refused = [np.mean([fitted.of(row) < 0.05 for row in new]) for fitted in (apart, together)]
    assert refused[0] < 0.15 < refused[1]
    alike = fit_familiarity(train, targets, validation, groups=np.zeros(200, np.int64))  # one fold: validation only
    assert 0 <= alike.of(new[0]) <= 1


def test_what_is_like_the_empty_scene_is_unfamiliar() -> None:
    rng, one = np.random.default_rng(0), np.ones(40, np.float32)
    train = np.abs(rng.normal(1, 0.3, (60, 40))).astype(np.float32)
    fitted = fit_familiarity(train, np.zeros(60, np.int64), train)
    empty = fitted.with_nothing(one[None], 0.99)
    assert fitted.of(one) > 0
    assert empty.of(one) == 0
    assert empty.of(train[0]) == fitted.of(train[0])
    near = one + 0.4 * np.sign(np.arange(40) % 2 - 0.5).astype(np.float32)  # cosine 0.98
    assert empty.of(near) == fitted.of(near) > 0
    assert len(empty.with_nothing(one[None], 0.9).classes) == len(empty.classes)


def test_prototypes_are_spread_over_a_class() -> None:
    rng = np.random.default_rng(0)
    corners = np.eye(5, 12, dtype=np.float32)
    vectors = np.repeat(corners, 30, axis=0) + rng.normal(0, 0.02, (150, 12)).astype(np.float32)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert ((prototypes_of(unit, 5) @ corners.T).max(axis=0) > 0.99).all()
    assert prototypes_of(unit[:3], 5).shape == (3, 12)
    assert np.isfinite(prototypes_of(np.repeat(corners[:1], 30, axis=0), 5)).all()  # all alike


def test_features_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ModelError, match="not finite"):
        fit_familiarity(np.full((4, 3), np.inf, np.float32), np.zeros(4, np.int64), np.ones((4, 3), np.float32))


def _without(name: str) -> Callable[[dict[str, bytes]], None]:
    return lambda entries: entries.pop(f"familiarity/{name}")


def _with(**changed: object) -> Callable[[dict[str, bytes]], None]:
    def change(entries: dict[str, bytes]) -> None:
        name = "familiarity/familiarity.json"
        entries[name] = json.dumps({**json.loads(entries[name]), **changed}).encode()

    return change


def _pickled(entries: dict[str, bytes]) -> None:
    file = io.BytesIO()
    np.save(file, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    entries["familiarity/prototypes.npy"] = file.getvalue()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_without("prototypes.npy"), "prototypes.npy is missing"),
        (_pickled, "prototypes.npy in it cannot be read"),
        (_with(classes=[7]), "does not fit"),
        (_with(spreads=[0, 1]), "does not fit"),
        (_with(levels=[2, 1]), "does not fit"),
        (_with(means="x"), "cannot be read"),
        (_with(shares=[float("nan")]), "does not fit"),
    ],
)
def test_a_damaged_one_is_refused_in_one_line(
    written: Path, tmp_path: Path, change: Callable[[dict[str, bytes]], None], message: str
) -> None:
    with zipfile.ZipFile(written) as archive:
        entries = {info.filename: archive.read(info) for info in archive.infolist()}
    change(entries)
    path = tmp_path / "m.tflite"
    path.write_bytes(bare(written))
    with zipfile.ZipFile(path, "a") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    with pytest.raises(ModelError, match=message) as caught:
        Classifier.load(path)
    assert "\n" not in str(caught.value)


def test_one_of_a_later_version_is_left_out(written: Path) -> None:
    class Later:
        def read(self, name: str, limit: int) -> bytes:
            return b'{"format": 2}'

    assert read_familiarity(Later(), 3) is None
