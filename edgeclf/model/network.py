"""The classifier on a backbone: one flat functional tf_keras graph, from normalized RGB to logits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeclf.errors import WeightsError
from edgeclf.frameworks import keras
from edgeclf.model.backbones.registry import Backbone

__all__ = [
    "HEAD",
    "HEAD_LAYERS",
    "MIX",
    "Weights",
    "build_classifier",
    "get_weights",
    "pretrained_classifier",
    "set_weights",
    "tempered",
    "with_softmax",
]

Weights = dict[str, npt.NDArray[np.float32]]
HEAD = "logits"  # name of the dense layer
MIX = "mix"  # of the one before it in a mixed head
HEAD_LAYERS = (MIX, HEAD)


def build_classifier(backbone: Backbone, size: int | None, classes: int, head: str = "linear") -> Any:
    """Features, global average, head.

    Args:
        backbone: the network below.
        size: height and width of the input in pixels, or None to leave them open.
        classes: number of outputs.
        head: "linear", one dense layer; or "mixed", ``0.2 * x + 0.8 * relu(V x + c)`` before it, written as
            ``0.2 * (x + relu(4 V x + 4 c))`` with the 0.2 in the dense layer's kernel, so that what is quantized is
            a dense layer, an addition and a dense layer, none of them with a constant of its own.

    Returns:
        a tf_keras model from ``[batch, size, size, 3]`` normalized RGB to logits ``[batch, classes]``, float32; the
        dense layer's weights are zero, the backbone's random.
    """
    features = backbone.build(backbone.name, size)
    x = keras().layers.GlobalAveragePooling2D(name="pool")(features.output)
    if head == "mixed":
        scaled = keras().initializers.VarianceScaling(16.0, "fan_avg", "uniform")  # 4 times Glorot's
        mixed = keras().layers.Dense(x.shape[-1], "relu", kernel_initializer=scaled, name=MIX)(x)
        x = keras().layers.Add(name=f"{MIX}_add")([x, mixed])
    x = keras().layers.Dense(classes, kernel_initializer="zeros", dtype="float32", name=HEAD)(x)
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


def tempered(weights: Weights, temperature: float) -> Weights:
    """The weights whose logits are divided by ``temperature``; both share the backbone's arrays."""
    own = {name for name in weights if name.startswith(f"{HEAD}/")}
    return {**weights, **{name: np.asarray(weights[name] / temperature, np.float32) for name in own}}


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
