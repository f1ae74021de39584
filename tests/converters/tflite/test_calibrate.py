"""The ranges of an int8 file are those of the float network's activations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgeclf_converters import ConversionError, convert
from edgeclf_converters.frameworks import keras
from edgeclf_converters.tflite import convert as conversion
from edgeclf_converters.tflite.calibrate import with_ranges
from edgeclf_runtime import Preprocessing
from edgeclf_runtime.model.flatbuffer import Table
from edgeclf_runtime.pictures.preprocess import Pixels

RULE = Preprocessing(32, 32)


def _images(count: int) -> list[Pixels]:
    waves = np.random.default_rng(0).uniform(0, 0.3, (count, 1, 1, 3))
    y, x = np.mgrid[0:32, 0:32]
    return list((127 + 120 * np.sin(waves * (x + 2 * y)[None, :, :, None])).astype(np.uint8))


def _network(*blocks: str) -> Any:
    """Return a network of residual blocks with these names, or of plain layers if there are none."""
    keras().utils.set_random_seed(0)
    layers = keras().layers
    image = layers.Input((32, 32, 3))
    x = layers.Conv2D(8, 3, strides=2, activation="relu", name="stem")(image)
    for name in blocks:
        x = layers.Add()([x, layers.Conv2D(8, 3, padding="same", name=name)(x)])
    x = layers.GlobalAveragePooling2D()(layers.DepthwiseConv2D(3, activation="relu", name="last")(x))
    return keras().Model(image, layers.Dense(3, activation="softmax")(x))


def _scales(content: bytes) -> dict[str, tuple[float, int]]:
    """Return scale and zero point of each tensor with one scale, by its name."""
    found = {}
    for tensor in next(Table.root(content, b"TFL3").tables(2)).tables(0):
        quantization = tensor.table(4)
        scales = quantization.numbers(2, "f") if quantization is not None else ()
        if quantization is not None and len(scales) == 1:
            found[tensor.text(3)] = float(scales[0]), int(quantization.integers(3, "q")[0])
    return found


def test_a_layer_before_a_sum_has_its_own_range_and_not_the_sums() -> None:
    """TensorFlow's calibrator gives it the sum's, whose values are written over the layer's."""
    network, images = _network("first", "second"), _images(9)
    scales = _scales(convert(network, "int8", images, RULE))
    inner = [network.get_layer(name).output for name in ("stem", "first", "second", "last")]
    values = keras().Model(network.input, inner)((np.stack(images).astype(np.float32) - 127) / 128)
    for name, wanted in zip(("stem", "first", "second", "last"), values, strict=True):
        found = [scale for tensor, (scale, _) in scales.items() if f"/{name}/" in tensor]
        extremes = float(np.min(wanted)), float(np.max(wanted))
        assert found == [pytest.approx((extremes[1] - min(extremes[0], 0)) / 255, rel=0.02)], name


def test_without_sums_the_file_is_that_of_tensorflows_calibrator(monkeypatch: pytest.MonkeyPatch) -> None:
    network, images = _network(), _images(9)
    content = convert(network, "int8", images, RULE)
    monkeypatch.setattr(conversion, "with_ranges", lambda *_: None)
    wanted = convert(network, "int8", images, RULE)
    assert len(content) == len(wanted)
    ours, theirs = _scales(content), _scales(wanted)
    assert ours.keys() == theirs.keys()
    for name, (scale, zero_point) in theirs.items():
        assert ours[name] == (pytest.approx(scale, rel=1e-5), zero_point), name


def test_every_image_counts() -> None:
    """They are shared out among threads."""
    network, images = _network("first"), _images(6)
    black = np.zeros_like(images[0])
    without = convert(network, "int8", images, RULE)
    files = [convert(network, "int8", [*images[:i], black, *images[i:]], RULE) for i in range(1, 5)]
    assert [file == files[0] for file in files] == [True] * 4
    assert files[0] != without


def test_a_network_with_states_is_left_to_tensorflows_calibrator() -> None:
    keras().utils.set_random_seed(0)
    layers = keras().layers
    image = layers.Input((32, 32, 3))
    x = layers.LSTM(4)(layers.Reshape((32, 96))(image))
    network, images = keras().Model(image, layers.Dense(3, activation="softmax")(x)), _images(3)
    assert with_ranges(convert(network, "float32", (), RULE), images, RULE) is None
    with pytest.raises(ConversionError, match="Not fully integer"):  # as its calibrator's file is
        convert(network, "int8", images, RULE)
