"""Activation ranges, corrections for rounding, and training with rounding, on a network of handwritten digits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgeclf_converters import Labelled, QatConfig
from edgeclf_converters.frameworks import keras
from edgeclf_converters.graph.fold import fold
from edgeclf_converters.graph.nodes import build, features_node, flatten
from edgeclf_converters.parity.scores import file_scores, network_scores
from edgeclf_converters.quantize.fake_quant import quantized, ranged_nodes
from edgeclf_converters.quantize.qat import train_epochs
from edgeclf_converters.quantize.ranges import ESTIMATORS, estimate, observe
from edgeclf_converters.quantize.refine import correct_biases, equalize, rounded_kernel
from tests.converters.quantize.digits_network import RULE, calibration_images, rounding


def test_the_rounding_network_gives_the_scores_of_the_integer_file(
    network: Any, digits: tuple[Labelled, Labelled]
) -> None:
    from edgeclf_converters.tflite.convert import convert_rounding

    nodes, ranges, student = rounding(network, digits)
    file = convert_rounding(quantized(nodes, ranges, kernels=False)[0], RULE)
    pixels = digits[1].pixels[:100]
    difference = np.abs(file_scores(file, pixels, RULE) - network_scores(student, pixels, RULE))
    assert np.quantile(difference, 0.99) < 0.03
    assert set(ranges) == set(ranged_nodes(nodes))


def test_every_estimated_range_is_within_the_extremes(network: Any, digits: tuple[Labelled, Labelled]) -> None:
    nodes = fold(flatten(network))
    statistics = observe(nodes, calibration_images(digits), RULE)
    widest = estimate(statistics, "minmax", RULE, "image")
    for name in ESTIMATORS[1:]:
        for node, (low, high) in estimate(statistics, name, RULE, "image").items():
            assert widest[node][0] - 1e-6 <= low <= 0 < high <= widest[node][1] + 1e-2, (name, node)


@pytest.mark.parametrize("channel", range(5))
def test_histograms_see_every_channel(channel: int) -> None:
    """Only one of 40 channels is large; no estimator may mistake it for a few outliers."""
    layers = keras().layers
    image = layers.Input((32, 32, 3), name="image")
    conv = layers.Conv2D(40, 1, name="conv")
    model = keras().Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(conv(image))))
    kernel = np.full((1, 1, 3, 40), 0.1, np.float32)
    kernel[..., channel] = 10
    conv.set_weights([kernel, np.zeros(40, np.float32)])
    y, x = np.mgrid[0:32, 0:32]
    smooth = [np.stack([x * 7, y * 7, x + y], -1).astype(np.uint8)]
    statistics = observe(fold(flatten(model)), smooth, RULE)
    widest = estimate(statistics, "minmax", RULE, "image")["conv"]
    for name in ("percentile", "mse"):
        low, high = estimate(statistics, name, RULE, "image")["conv"]
        assert high - low > 0.8 * (widest[1] - widest[0]), name


def test_depthwise_kernels_round_by_channel(network: Any) -> None:
    node = next(node for node in fold(flatten(network)) if node.kind == "DepthwiseConv2D")
    error = np.abs(rounded_kernel(node) - node.weights[0]).max(axis=(0, 1))
    assert (error <= np.abs(node.weights[0]).max(axis=(0, 1)) / 254 + 1e-7).all()


def test_bias_correction_restores_the_mean_output_of_a_rounded_layer(
    network: Any, digits: tuple[Labelled, Labelled]
) -> None:
    """The correction is exact if every input has the same weight, as in 1x1 convolutions and dense layers."""
    nodes = fold(flatten(network))
    corrected = {node.name: node for node in correct_biases(nodes, calibration_images(digits), RULE)}
    exact = [node for node in nodes if node.kind == "Dense" or (node.weights and node.weights[0].shape[:2] == (1, 1))]
    assert len(exact) == 2

    def mean(node: Any, weights: tuple[Any, ...]) -> Any:
        changed = [replace(n, weights=weights) if n is node else n for n in nodes]
        scores = network_scores(build(changed, outputs=[node.name]), digits[0].pixels[:100], RULE)
        return scores.reshape(-1, scores.shape[-1]).mean(axis=0)

    for node in exact:
        wanted, kernel = mean(node, node.weights), rounded_kernel(node)
        before = np.abs(mean(node, (kernel, node.weights[1])) - wanted).max()
        after = np.abs(mean(node, (kernel, corrected[node.name].weights[1])) - wanted).max()
        assert after < 0.02 * before, (node.name, before, after)


def test_equalizing_ignores_a_dead_channel() -> None:
    keras().utils.set_random_seed(0)
    layers = keras().layers
    image = layers.Input((8, 8, 3))
    x = layers.Conv2D(6, 1, activation="relu", name="first")(image)
    model = keras().Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(layers.Conv2D(4, 1, name="next")(x))))
    kernel, bias = model.get_layer("first").get_weights()
    kernel[..., 2], kernel[..., 3] = 0, kernel[..., 3] * 50
    model.get_layer("first").set_weights([kernel, bias])
    nodes = fold(flatten(model))
    after = equalize(nodes)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3)).astype(np.uint8)
    before, now = (network_scores(build(some), pixels, RULE) for some in (nodes, after))
    assert np.allclose(before, now, atol=1e-4)
    first = {node.name: node for node in after}["first"].weights[0]
    assert np.array_equal(first[..., 2], kernel[..., 2])
    spread = np.abs(first).max(axis=(0, 1, 2))
    assert spread[3] / spread[0] < 0.5 * np.abs(kernel[..., 3]).max() / np.abs(kernel[..., 0]).max()


def test_class_weights_reach_the_loss(network: Any, digits: tuple[Labelled, Labelled]) -> None:
    """A class of weight 0 is forgotten if the loss uses only labels."""
    nodes, ranges, _ = rounding(network, digits)
    weights = tuple(0.0 if label == 3 else 10 / 9 for label in range(10))
    config = QatConfig(epochs=2, learning_rate=5e-3, distillation=0.0, class_weights=weights)
    *_, (after, _) = train_epochs(nodes, nodes, ranges, lambda nodes: ranges, digits[0], RULE, config)
    threes = digits[1].pixels[digits[1].targets == 3]
    before, now = ((network_scores(build(n), threes, RULE).argmax(1) == 3).mean() for n in (nodes, after))
    assert before - now > 0.4, (before, now)


def test_features_can_be_part_of_the_distillation(network: Any, digits: tuple[Labelled, Labelled]) -> None:
    def drift(features: float) -> float:
        """Return how far training at a high rate moves the features from the float network's."""
        nodes, ranges, _ = rounding(network, digits)
        config = QatConfig(epochs=1, learning_rate=5e-3, distillation=0.0, features=features)
        ((after, _),) = train_epochs(nodes, nodes, ranges, lambda nodes: ranges, digits[0], RULE, config)
        name = [features_node(nodes)]
        first, last = (network_scores(build(some, outputs=name), digits[1].pixels, RULE) for some in (nodes, after))
        return float(np.square(first - last).mean())

    assert drift(3.0) < 0.5 * drift(0.0)
