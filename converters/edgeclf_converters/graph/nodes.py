"""Flatten a tf_keras classifier to a list of nodes, which conversions rewrite and build again."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeclf_converters.errors import ConversionError
from edgeclf_converters.frameworks import keras
from edgeclf_runtime.system.plain_text import counted

__all__ = ["Array", "Node", "assemble", "build", "consumers", "features_node", "flatten", "logits_node", "relu_cap"]

Array = npt.NDArray[np.float32]
Wrap = Callable[["Node", Any], Any]

_IDENTITY = (
    "Dropout",
    "SpatialDropout2D",
    "GaussianNoise",
    "GaussianDropout",
    "AlphaDropout",
    "RandomFlip",
    "RandomRotation",
    "RandomZoom",
    "RandomTranslation",
    "RandomContrast",
    "RandomBrightness",
    "ActivityRegularization",
)
_KNOWN = (
    "InputLayer",
    "Conv2D",
    "DepthwiseConv2D",
    "Dense",
    "BatchNormalization",
    "ReLU",
    "Activation",
    "Softmax",
    "Add",
    "Concatenate",
    "AveragePooling2D",
    "MaxPooling2D",
    "GlobalAveragePooling2D",
    "Flatten",
    "Reshape",
    "ZeroPadding2D",
)
_ACTIVATIONS = ("linear", "relu", "relu6", "softmax", "sigmoid", "tanh")
_ADVICE = {
    "SeparableConv2D": "use DepthwiseConv2D followed by Conv2D, which compute the same function",
    "BatchNormalization of other than feature maps": "remove it, or put it before the pooling",
    "LeakyReLU": "use ReLU",
    "PReLU": "use ReLU",
    "Rescaling": "remove it and set the preprocessing's mean and std instead",
    "Normalization": "remove it and set the preprocessing's mean and std instead",
    "Lambda": "use keras layers; a Lambda cannot be analysed",
    "TFOpLambda": "use keras layers (Add, ReLU, ...) in place of operators and tf functions",
    "SlicingOpLambda": "use keras layers in place of indexing",
    "Multiply": "use a backbone without squeeze-and-excitation, such as efficientnet-lite0",
}


@dataclass(frozen=True)
class Node:
    """One layer and the nodes its inputs come from.

    Attributes:
        name: unique in the list.
        kind: the layer's class name.
        config: the layer's config.
        inputs: names of the nodes whose outputs are its inputs.
        weights: as ``layer.get_weights()``.
    """

    name: str
    kind: str
    config: dict[str, Any] = field(repr=False)
    inputs: tuple[str, ...]
    weights: tuple[Array, ...] = field(default=(), repr=False)


def flatten(model: Any) -> list[Node]:
    """Return the layers of a network in the order they run; nested models are expanded where they are called.

    Layers that only act during training are omitted.

    Raises:
        ConversionError: the network is not functional, uses a layer twice, or has a layer that quantization-aware
            conversion does not support; the error names it and says what to do.
    """
    nodes: list[Node] = []
    _walk(model, {}, "", nodes)
    names = [node.name for node in nodes]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConversionError(f"Layer {twice[0]!r} is used twice; give each use a layer of its own.")
    for node in nodes:
        _check(node)
    return nodes


def _walk(model: Any, given: dict[str, str], prefix: str, nodes: list[Node]) -> str:
    """Append a model's nodes, with ``given`` as names of its inputs; return the name of its output."""
    _check_model(model)
    names = dict(given)
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for call in model._nodes_by_depth[depth]:
            inputs = [names[key] for key in call.flat_input_ids]
            name = _call(call.layer, inputs, prefix, nodes, names.get(call.flat_output_ids[0]))
            names[call.flat_output_ids[0]] = name
    return names[str(id(model.outputs[0]))]


def _check_model(model: Any) -> None:
    if not getattr(model, "_is_graph_network", False):
        raise ConversionError(f"{model.name!r} is a subclassed model; build it with keras' functional interface.")
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        ends = f"{counted(len(model.inputs), 'input')} and {counted(len(model.outputs), 'output')}"
        raise ConversionError(f"{model.name!r} has {ends}, not one of each.")


def _call(layer: Any, inputs: list[str], prefix: str, nodes: list[Node], source: str | None) -> str:
    kind = type(layer).__name__
    if source is not None:  # a nested model's input is the output of an outer node
        return source
    if isinstance(layer, keras().Model):
        _check_model(layer)
        # Within the nested model, its own tensors replace the outer ones.
        return _walk(layer, {str(id(layer.inputs[0])): inputs[0]}, f"{prefix}{layer.name}_", nodes)
    if kind in _IDENTITY:
        return inputs[0]
    name = f"{prefix}{layer.name}"
    if kind in _KNOWN and type(layer) is not getattr(keras().layers, kind):
        kind = f"{kind} of its own"
    elif kind == "BatchNormalization" and list(np.atleast_1d(layer.axis)) != [len(layer.input_shape) - 1]:
        kind = "BatchNormalization over an axis other than the last"
    elif kind == "BatchNormalization" and len(layer.input_shape) != 4:
        kind = "BatchNormalization of other than feature maps"
    weights = tuple(np.asarray(value) for value in layer.get_weights())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about an initializer that is a function, unused here
        config = layer.get_config()
    nodes.append(Node(name, kind, config, tuple(inputs), weights))
    return name


def _check(node: Node) -> None:
    problem = ""
    if node.kind not in _KNOWN:
        problem = f"is a {node.kind}"
    elif _activation(node) not in _ACTIVATIONS:
        problem = f"has the activation {_activation(node)!r}"
    elif node.kind == "ReLU" and (node.config.get("negative_slope") or node.config.get("threshold")):
        problem = "is a ReLU with a slope or threshold"
    elif node.kind == "ReLU" and node.config.get("max_value") not in (None, 6.0):
        problem = "is a ReLU with a cap other than 6"
    elif node.kind == "Add" and len(node.inputs) != 2:
        problem = f"adds {len(node.inputs)} inputs, not two"
    elif node.config.get("data_format", "channels_last") == "channels_first":
        problem = "has its channels first"
    if problem:
        advice = _ADVICE.get(node.kind, f"known are {', '.join(_KNOWN[1:])}")
        raise ConversionError(
            f"Layer {node.name!r} {problem}, which quantization-aware conversion does not support: {advice}. "
            "Plain conversion (method ptq) may still work."
        )


def _activation(node: Node) -> str:
    return str(node.config.get("activation", "linear"))


def relu_cap(node: Node) -> float | None:
    """Return the cap of a rectifier: inf for a plain ReLU; None if the node is not a rectifier."""
    if node.kind == "ReLU":
        cap = node.config.get("max_value")
        return float("inf") if cap is None else float(cap)
    return {"relu": float("inf"), "relu6": 6.0}.get(_activation(node)) if node.kind == "Activation" else None


def consumers(nodes: Sequence[Node]) -> dict[str, list[Node]]:
    """Return the nodes that use each node's output, by its name."""
    consumers: dict[str, list[Node]] = {node.name: [] for node in nodes}
    for node in nodes:
        for name in node.inputs:
            consumers[name].append(node)
    return consumers


def logits_node(nodes: Sequence[Node]) -> str:
    """Return the name of the last node, or of the node before a final softmax or sigmoid."""
    last = nodes[-1]
    scores = last.kind == "Softmax" or (last.kind == "Activation" and _activation(last) in ("softmax", "sigmoid"))
    return last.inputs[0] if scores else last.name


def check_logits(nodes: Sequence[Node], several_labels: bool = False) -> None:
    """Refuse a last layer that does not suit the training losses: a softmax, or sigmoids for several labels.

    Raises:
        ConversionError: the network ends in something else.
    """
    last = nodes[-1]
    kind = last.config.get("activation", "linear") if last.kind in ("Activation", "Dense") else "linear"
    if several_labels and last.kind == "Activation" and kind in ("linear", "sigmoid"):
        return
    if several_labels:
        raise ConversionError(
            f"Layer {last.name!r}: quantization-aware training on images with several labels needs a network that ends "
            "in a layer Activation('sigmoid'). Use a method without training (ptq)."
        )
    if kind not in ("linear", "softmax"):
        raise ConversionError(
            f"Layer {last.name!r} ends in {kind!r}; quantization-aware training needs a softmax over classes with one "
            "right class. Use a method without training (ptq)."
        )


def features_node(nodes: Sequence[Node]) -> str:
    """Return the name of the last dense layer's input node, or of the logits' node if there is no dense layer."""
    dense = [node for node in nodes if node.kind == "Dense"]
    return dense[-1].inputs[0] if dense else logits_node(nodes)


def build(nodes: Sequence[Node], outputs: Sequence[str] = ()) -> Any:
    """Build a tf_keras model of the nodes, with their weights.

    Args:
        outputs: names of the nodes that are its outputs; by default the last node.
    """
    return assemble(nodes, lambda node, layer: layer, outputs)[0]


def assemble(nodes: Sequence[Node], wrap: Wrap, outputs: Sequence[str] = ()) -> tuple[Any, dict[str, list[Any]]]:
    """Build a model like ``build``, but replace some of its layers.

    Args:
        wrap: takes a node and its layer, and returns what to call instead of the layer. For the input's node the layer
            is None; what is returned for it, if anything, is called on the input.

    Returns:
        the model, and the variables of each node's layer, by the node's name.
    """
    layers = keras().layers
    tensors: dict[str, Any] = {}
    variables: dict[str, list[Any]] = {}
    for node in nodes:
        if node.kind == "InputLayer":
            image = layers.Input(node.config["batch_input_shape"][1:], name=node.name)
            changed = wrap(node, None)
            tensors[node.name] = image if changed is None else changed(image)
            continue
        layer = getattr(layers, node.kind).from_config(
            {**node.config, "name": node.name, "dtype": "float32", "trainable": True}
        )
        inputs = [tensors[name] for name in node.inputs]
        given: Any = inputs[0] if len(inputs) == 1 else inputs
        if node.weights:
            layer.build(given.shape)  # build it now: a wrapper replaces its variables by tensors
            variables[node.name] = list(layer.weights)
            for variable, value in zip(layer.weights, node.weights, strict=True):
                variable.assign(value)
        tensors[node.name] = wrap(node, layer)(given)
    made = [tensors[name] for name in outputs] or tensors[nodes[-1].name]
    # A converted file has the model's name in its tensors' names; tf_keras would number it.
    return keras().Model(image, made, name="network"), variables
