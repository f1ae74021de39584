"""The last layer of a real file is replaced by one with other classes, and computes what numpy computes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgeclf_converters import MODES, convert
from edgeclf_converters.edgetpu.check import check_edgetpu
from edgeclf_converters.frameworks import keras
from edgeclf_runtime import ModelError, Preprocessing
from edgeclf_runtime.backends.opening import open_backend
from edgeclf_runtime.model.features import with_features
from edgeclf_runtime.model.flatbuffer import read_flat_model
from edgeclf_runtime.model.last_layer import quantized, read_last_layer, with_last_layer
from edgeclf_runtime.model.metadata import read_metadata
from tests.model_files import bare, last_layer_integers

Floats = npt.NDArray[np.float64]


@pytest.fixture(scope="module", params=MODES)
def network(request: pytest.FixtureRequest) -> bytes:
    """A small network in each exported form."""
    layers = keras().layers
    keras().utils.set_random_seed(0)
    image = layers.Input((32, 32, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(40, 3, strides=2, activation="relu")(image))
    model = keras().Model(image, layers.Dense(3, activation="softmax", bias_initializer="random_normal")(x))
    waves = np.sin(np.arange(20)[:, None, None, None] / 3 + np.linspace(0, 6, 32 * 32 * 3).reshape(32, 32, 3))
    return convert(model, request.param, list((127 + 120 * waves).astype(np.uint8)), Preprocessing(32, 32))


def _new(classes: int, size: int) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(classes)
    return rng.normal(0, 0.3, (classes, size)), rng.normal(0, 1, classes)


def _scores(network: bytes, batch: npt.NDArray[Any]) -> tuple[Floats, Floats]:
    """Return the real scores and features of a batch."""
    content = with_features(network)
    assert content is not None
    backend = open_backend("auto", content, 1)
    output, features = backend.invoke_with_features(batch)
    assert features is not None
    assert backend.features is not None
    sides = ((output, backend.output), (features, backend.features))
    real = [(x.astype(np.float64) - t.zero_point) * (t.scale or 1) for x, t in sides]
    return real[0].reshape(-1), real[1].reshape(-1)


def _batch(network: bytes) -> npt.NDArray[Any]:
    backend = open_backend("auto", network, 1)
    pixels = np.random.default_rng(1).integers(0, 256, backend.input.shape)
    return (pixels if backend.input.dtype == np.uint8 else (pixels - 127) / 128).astype(backend.input.dtype)


@pytest.mark.parametrize("classes", [2, 9])
def test_it_computes_what_numpy_computes(network: bytes, classes: int) -> None:
    layer = read_last_layer(network)
    weights, bias = _new(classes, 40)
    changed = with_last_layer(network, quantized(weights, bias, layer, (-8, 8)), "new")
    read_flat_model(changed)
    scores, features = _scores(changed, _batch(network))
    logits = weights @ features + bias
    expected = np.exp(logits) / np.exp(logits).sum()
    assert scores.shape == (classes,)
    assert np.abs(scores - expected).max() < 0.02
    after = read_last_layer(changed)
    assert after.dtype == layer.dtype
    assert np.abs(after.weights - weights).max() < 0.01
    assert np.abs(after.bias - bias).max() < 0.01
    assert np.array_equal(features, _scores(network, _batch(network))[1])


def test_changed_again_it_does_not_grow(network: bytes) -> None:
    layer = read_last_layer(network)
    once, again = (with_last_layer(network, quantized(*_new(n, 40), layer, (-8, 8)), "new") for n in (9, 4))
    other = with_last_layer(once, quantized(*_new(4, 40), read_last_layer(once), (-8, 8)), "new")
    assert other == again
    assert len(once) > len(other)


@pytest.mark.parametrize("per_class", [False, True])
def test_logits_are_those_of_integers(model: Path, per_class: bool) -> None:
    """With one scale for all weights, as ours have, and with one per class, as other converters write."""
    network = bare(model)
    layer = read_last_layer(network)
    layer = replace(layer, scales=layer.scales * 7) if per_class else layer
    weights, bias = _new(7, layer.weights.shape[1])
    stored = quantized(weights / 10 * np.arange(1, 8)[:, np.newaxis], bias, layer, (-9, 9))
    assert len(stored.scales) == (7 if per_class else 1)
    changed = with_last_layer(network, stored, "new")
    batch = _batch(network)
    features, logits = last_layer_integers(changed, batch)
    scales = layer.features * np.array(stored.scales)
    zero = round(_features_zero(network))
    sums = (features.astype(np.int64) - zero) @ stored.weights.astype(np.int64).T + stored.bias
    expected = np.rint(sums * scales / stored.output[0]) + stored.output[1]
    assert np.array_equal(logits, expected.clip(-128, 127))


def _features_zero(network: bytes) -> int:
    from edgeclf_runtime.model.features import feature_tensor

    found = feature_tensor(network)
    assert found is not None
    return found[1].zero_point


def test_the_rest_of_the_file_fits(model: Path) -> None:
    network = bare(model)
    layer = read_last_layer(network)
    weights, bias = _new(5, layer.weights.shape[1])
    changed = with_last_layer(network, quantized(weights, bias, layer, (-8, 8)), "Vögel")
    flat = read_flat_model(changed)
    assert flat.outputs[0].shape == (1, 5)
    assert read_metadata(flat.metadata).name == "Vögel"
    assert read_metadata(flat.metadata).label_files == read_metadata(read_flat_model(network).metadata).label_files
    assert check_edgetpu(changed) == check_edgetpu(network)


def test_a_damaged_file_is_refused_or_changed_but_never_crashes(model: Path) -> None:
    content, rng = bare(model), np.random.default_rng(0)
    layer = read_last_layer(content)
    new = quantized(layer.weights, layer.bias, layer, (-8, 8))
    taught = with_last_layer(content, new, "new")
    tables = rng.integers(len(taught) - 60_000, len(taught), 40)
    for place in [*tables, *rng.integers(0, 20_000, 40)]:
        broken = bytearray(taught)
        broken[place] ^= 0xFF
        try:
            read_flat_model(bytes(broken))
            read_last_layer(bytes(broken))
            read_flat_model(with_last_layer(bytes(broken), new, "new"))
        except ModelError:
            continue
    two = with_features(content)
    assert two is not None
    with pytest.raises(ModelError, match="2 outputs"):
        read_last_layer(two)
    with pytest.raises(ModelError):
        with_last_layer(b"\0" * 4 + b"TFL3" + b"edgeclf:appended", new, "new")
