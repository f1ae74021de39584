"""The classifier on a backbone: one flat functional tf_keras graph, from normalized RGB to logits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeclf.backbones.registry import Backbone
from edgeclf.errors import WeightsError
from edgeclf.frameworks import keras

__all__ = ["HEAD", "Weights", "build_classifier", "get_weights", "pretrained_classifier", "set_weights", "with_softmax"]

Weights = dict[str, npt.NDArray[np.float32]]
HEAD = "logits"  # name of the dense layer


def build_classifier(backbone: Backbone, size: int | None, classes: int) -> Any:
    """Features, global average, dense layer.

    Args:
        backbone: the network below.
        size: height and width of the input in pixels, or None to leave them open.
        classes: number of outputs.

    Returns:
        a tf_keras model from ``[batch, size, size, 3]`` normalized RGB to logits ``[batch, classes]``, float32; the
        dense layer's weights are zero, the backbone's random.
    """
    features = backbone.build(backbone.name, size)
    x = keras().layers.GlobalAveragePooling2D(name="pool")(features.output)
    x = keras().layers.Dense(classes, kernel_initializer="zeros", name=HEAD)(x)
    return keras().Model(features.input, x, name=features.name)


def pretrained_classifier(backbone: Backbone, weights: Path | None = None) -> Any:
    """The 1,000-class ImageNet classifier as published, at its own input size.

    Raises:
        WeightsError: the weights are missing or come without a classifier.
    """
    model = build_classifier(backbone, backbone.size, 1000)
    head = backbone.load(model, backbone.name, weights)
    if head is None:
        raise WeightsError(f"The weights of {backbone.name} come without its ImageNet classifier.")
    model.get_layer(HEAD).set_weights(list(head))
    return model


def with_softmax(model: Any) -> Any:
    """The same network giving probabilities."""
    return keras().Model(model.input, keras().layers.Softmax(name="scores")(model.output), name=model.name)


def get_weights(model: Any) -> Weights:
    """All weights by name, copied."""
    return {weight.name: weight.numpy() for weight in model.weights}


def set_weights(model: Any, weights: Mapping[str, npt.NDArray[np.float32]]) -> None:
    """Fill a network with what ``get_weights`` gave.

    Raises:
        WeightsError: names or shapes differ.
    """
    own = {weight.name: weight for weight in model.weights}
    if set(own) != set(weights):
        raise WeightsError(f"Weights of another network: {len(set(own) ^ set(weights))} names differ.")
    for name, weight in own.items():
        if tuple(weight.shape) != weights[name].shape:
            raise WeightsError(f"Weights of another network: {name} is {weights[name].shape}, expected {weight.shape}.")
        weight.assign(weights[name])
