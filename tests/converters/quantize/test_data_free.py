"""Without images, batch norms tell the distribution of outputs; the file answers like the float network."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

from edgeclf_converters.errors import ConversionError
from edgeclf_converters.frameworks import keras
from edgeclf_converters.graph.fold import fold
from edgeclf_converters.graph.nodes import build, flatten
from edgeclf_converters.parity.scores import Labelled, file_scores, network_scores
from edgeclf_converters.quantize.data_free import (
    ExpectedOutput,
    _rectified,
    convert_data_free,
    expected,
    expected_ranges,
)
from edgeclf_converters.quantize.fake_quant import ranged_nodes
from tests.converters.quantize.digits_network import RULE


@pytest.fixture(scope="module")
def normed(digits: tuple[Labelled, Labelled]) -> Any:
    """A network for digits with a batch norm after every convolution, trained briefly."""
    keras().utils.set_random_seed(0)
    layers = keras().layers
    norm = functools.partial(layers.BatchNormalization, momentum=0.9)
    image = layers.Input((32, 32, 3))
    x = layers.ReLU(6.0)(norm()(layers.Conv2D(16, 3, strides=2, use_bias=False)(image)))
    y = layers.ReLU(6.0)(norm()(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)))
    x = layers.Add()([x, norm(scale=False)(layers.Conv2D(16, 1)(y))])
    x = layers.ReLU()(norm()(layers.Conv2D(24, 3, strides=2)(x)))
    model = keras().Model(image, layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling2D()(x)))
    model.compile(keras().optimizers.Adam(5e-3), "sparse_categorical_crossentropy")
    data = digits[0]
    model.fit((data.pixels.astype(np.float32) - 127) / 128, data.targets, batch_size=64, epochs=6, verbose=0)
    return model


def test_the_file_answers_as_the_float_network_does(normed: Any, digits: tuple[Labelled, Labelled]) -> None:
    pixels = digits[1].pixels
    before, after = network_scores(normed, pixels, RULE), file_scores(convert_data_free(normed, RULE), pixels, RULE)
    agreement = (before.argmax(axis=1) == after.argmax(axis=1)).mean()
    assert agreement > 0.95, agreement


def test_outputs_are_as_expected_and_within_their_ranges(normed: Any, digits: tuple[Labelled, Labelled]) -> None:
    layers = flatten(normed)
    nodes = fold(layers)
    outputs = expected(layers, nodes, RULE)
    ranges = expected_ranges(nodes, outputs, RULE)
    assert set(ranges) == set(ranged_nodes(nodes))
    for name in (node.name for node in nodes if node.kind in ("Conv2D", "DepthwiseConv2D", "ReLU", "Add")):
        values = network_scores(build(nodes, outputs=[name]), digits[0].pixels, RULE).astype(np.float64)
        values = values.reshape(-1, values.shape[-1])
        away = np.abs(values.mean(axis=0) - outputs[name].mean) / (values.std(axis=0) + 1e-3)
        assert np.median(away) < 0.3, (name, away)
        if name in ranges:
            low, high = ranges[name]
            assert ((values >= low) & (values <= high)).mean() > 0.99


@pytest.mark.parametrize("cap", [6.0, float("inf")])
def test_rectified_values_have_the_mean_and_deviation_of_samples(cap: float) -> None:
    means, deviations = np.array([-3.0, 0.0, 2.0, 5.0, 7.0]), np.array([1.0, 2.0, 0.5, 3.0, 1.0])
    drawn = np.random.default_rng(0).normal(means, deviations, (400_000, 5)).clip(0, cap)
    result = _rectified(ExpectedOutput(means, deviations), cap)
    assert np.allclose(result.mean, drawn.mean(axis=0), atol=0.02)
    assert np.allclose(result.deviation, drawn.std(axis=0), atol=0.02)
    assert (result.low, result.high) == (0, cap)


def test_a_network_without_batch_norms_needs_images() -> None:
    layers = keras().layers
    image = layers.Input((32, 32, 3))
    plain = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(image))
    scores = layers.Dense(2, activation="softmax")(plain)
    with pytest.raises(ConversionError, match=r"Layer 'conv2d\w*' has no batch norm .*; calibrate on images\.$"):
        convert_data_free(keras().Model(image, scores), RULE)
