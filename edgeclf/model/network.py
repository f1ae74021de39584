"""Build the classifier on a backbone: one flat functional tf_keras graph, from normalized RGB to logits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeclf.errors import WeightsError
from edgeclf.frameworks import keras
from edgeclf.model.backbones.registry import Backbone
from edgeclf_runtime.pictures.preprocess import Preprocessing

__all__ = [
    "HEAD",
    "HEAD_LAYERS",
    "MIX",
    "Weights",
    "build_classifier",
    "get_weights",
    "pretrained_classifier",
    "published_preprocessing",
    "set_weights",
    "tempered",
    "with_sigmoid",
    "with_softmax",
]

Weights = dict[str, npt.NDArray[np.float32]]
HEAD = "logits"  # name of the dense layer
MIX = "mix"  # name of the dense layer before it in a mixed head
HEAD_LAYERS = (MIX, HEAD)


def build_classifier(backbone: Backbone, size: int | None, classes: int, head: str = "linear") -> Any:
    """Build a network of a backbone, global average pooling and a head.

    Args:
        backbone: the pretrained network.
        size: height and width of the input in pixels, or None to leave them open.
        classes: number of outputs.
        head: "linear" is one dense layer. "mixed" puts ``0.2 * x + 0.8 * relu(V x + c)`` before it, written as
            ``0.2 * (x + relu(4 V x + 4 c))`` with the 0.2 in the dense layer's kernel. The quantized head is then a
            dense layer, an addition and a dense layer, without other constants.

    Returns:
        a tf_keras model from normalized RGB ``[batch, size, size, 3]`` to logits ``[batch, classes]``, float32. The
        dense layer's weights are zero, the backbone's random.
    """
    features = backbone.build(backbone.name, size)
    x = keras().layers.GlobalAveragePooling2D(name="pool")(features.output)
    if head == "mixed":
        scaled = keras().initializers.VarianceScaling(16.0, "fan_avg", "uniform")  # 4 times Glorot's range
        mixed = keras().layers.Dense(x.shape[-1], "relu", kernel_initializer=scaled, name=MIX)(x)
        x = keras().layers.Add(name=f"{MIX}_add")([x, mixed])
    x = keras().layers.Dense(classes, kernel_initializer="zeros", dtype="float32", name=HEAD)(x)
    return keras().Model(features.input, x, name=features.name)


def pretrained_classifier(backbone: Backbone, weights: Path | None = None) -> Any:
    """Build the published ImageNet classifier with 1,000 classes at its own input size.

    Raises:
        WeightsError: the weights are missing or do not include a classifier.
    """
    model = build_classifier(backbone, backbone.size, 1000)
    head = backbone.load(model, backbone.name, weights)
    if head is None:
        raise WeightsError(f"The weights of {backbone.name} do not include its ImageNet classifier.")
    model.get_layer(HEAD).set_weights(list(head))
    return model


def published_preprocessing(backbone: Backbone) -> Preprocessing:
    """Return the preprocessing with which the published ImageNet classifier's accuracy was measured."""
    size = backbone.size
    return Preprocessing(size, size, resize="crop", crop=backbone.crop, mean=backbone.mean, std=backbone.std)


def with_sigmoid(model: Any) -> Any:
    """Return the same network with a sigmoid, so that it gives the probability of each label."""
    scores = keras().layers.Activation("sigmoid", name="scores")(model.output)
    return keras().Model(model.input, scores, name=model.name)


def with_softmax(model: Any) -> Any:
    """Return the same network with a softmax, so that it gives probabilities."""
    return keras().Model(model.input, keras().layers.Softmax(name="scores")(model.output), name=model.name)


def get_weights(model: Any) -> Weights:
    """Return copies of all weights by name."""
    return {weight.name: weight.numpy() for weight in model.weights}


def tempered(weights: Weights, temperature: float) -> Weights:
    """Divide the head's weights by ``temperature``, and so the logits; the backbone's arrays are shared."""
    own = {name for name in weights if name.startswith(f"{HEAD}/")}
    return {**weights, **{name: np.asarray(weights[name] / temperature, np.float32) for name in own}}


def set_weights(model: Any, weights: Mapping[str, npt.NDArray[np.float32]]) -> None:
    """Fill a network with weights from ``get_weights``.

    Raises:
        WeightsError: names or shapes differ.
    """
    own = {weight.name: weight for weight in model.weights}
    if set(own) != set(weights):
        raise WeightsError(f"The weights are of another network: names that differ: {len(set(own) ^ set(weights))}.")
    for name, weight in own.items():
        if tuple(weight.shape) != weights[name].shape:
            shapes = f"{weights[name].shape}, expected {weight.shape}"
            raise WeightsError(f"The weights are of another network: {name} has shape {shapes}.")
        weight.assign(weights[name])
