"""Folding batch norms changes neither the answers nor the gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgeclf.frameworks import keras, tensorflow
from edgeclf.model.backbones.registry import BACKBONES, backbone
from edgeclf.model.folded_norms import folded_norms
from edgeclf.model.network import HEAD, build_classifier


def _random(model: Any) -> None:
    """Give the network weights and statistics with which no term is neutral."""
    random = np.random.default_rng(0)
    for variable in model.weights:
        if variable.name.endswith(("gamma:0", "moving_variance:0")):
            variable.assign(random.uniform(0.5, 1.5, variable.shape))
        elif variable.name.endswith(("beta:0", "moving_mean:0", "bias:0")):
            variable.assign(random.normal(0, 0.1, variable.shape))


def _computed(features: Any, images: Any, variables: list[Any]) -> tuple[Any, list[Any]]:
    with tensorflow().GradientTape() as tape:
        values = features(images)
        loss = tensorflow().reduce_sum(tensorflow().square(values))
    return values, tape.gradient(loss, variables, unconnected_gradients="zero")


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_answers_and_gradients_are_those_of_the_layers(name: str) -> None:
    model = build_classifier(backbone(name), None, 3)
    _random(model)
    features = keras().Model(model.input, model.get_layer(HEAD).input)
    images = tensorflow().random.stateless_normal([2, 64, 64, 3], [1, 2])
    variables = features.trainable_variables
    wanted, slopes = _computed(lambda batch: features(batch, training=False), images, variables)
    values, others = _computed(folded_norms(model, model.get_layer(HEAD).input), images, variables)
    np.testing.assert_allclose(values, wanted, atol=1e-4 * np.abs(wanted).max())
    for variable, slope, other in zip(variables, slopes, others, strict=True):
        np.testing.assert_allclose(
            other, slope, atol=1e-3 * np.abs(slope).max() + 1e-6, err_msg=f"{name}: {variable.name}"
        )


def test_a_norm_without_a_convolution_of_its_own_stays() -> None:
    layers = keras().layers
    image = layers.Input((8, 8, 3))
    shared = layers.Conv2D(4, 3, use_bias=True)(image)
    both = layers.Add()([layers.BatchNormalization()(shared), layers.ReLU()(shared)])
    last = layers.Conv2D(4, 1, activation="relu")(both)
    model = keras().Model(image, layers.BatchNormalization()(last))
    _random(model)
    images = tensorflow().random.stateless_normal([2, 8, 8, 3], [1, 2])
    values = folded_norms(model, model.output)(images)
    np.testing.assert_allclose(values, model(images, training=False), atol=1e-5)


def test_a_bias_and_a_missing_scale_are_part_of_the_sum() -> None:
    layers = keras().layers
    image = layers.Input((9, 9, 3))
    x = layers.BatchNormalization(scale=False)(layers.Conv2D(4, 3, 2, padding="same")(image))
    x = layers.BatchNormalization(center=False)(layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same")(x))
    model = keras().Model(image, x)
    _random(model)
    images = tensorflow().random.stateless_normal([2, 9, 9, 3], [1, 2])
    np.testing.assert_allclose(folded_norms(model, model.output)(images), model(images, training=False), atol=1e-5)
