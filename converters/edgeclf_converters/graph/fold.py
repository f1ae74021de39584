"""Fold layers that an integer network does not have into their neighbours, without changing the function.

Activations become nodes of their own. Batch norm is folded into the convolution before it (Jacob et al., CVPR 2018) or,
if there is none, becomes a depthwise 1x1 convolution.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from edgeclf_converters.errors import ConversionError
from edgeclf_converters.graph.nodes import Array, Node, consumers

__all__ = ["WEIGHTED", "fold", "shared_scale_axes"]

WEIGHTED = ("Conv2D", "DepthwiseConv2D", "Dense")
"""Kinds of layers with a kernel and, after folding, a bias."""


def shared_scale_axes(kind: str) -> tuple[int, ...]:
    """Return the kernel axes that share one int8 scale: all but output channels; all for a dense layer."""
    return {"Conv2D": (0, 1, 2), "DepthwiseConv2D": (0, 1), "Dense": (0, 1)}[kind]


def fold(nodes: list[Node]) -> list[Node]:
    """Return the same function as convolutions with bias, rectifiers, additions and poolings.

    Raises:
        ConversionError: a layer already has the name that another layer's activation would get.
    """
    split = [piece for node in nodes for piece in _split(node)]
    renamed = {node.name: f"{node.name}_act" for node in nodes if _has_activation(node)}
    split = [
        node if node.name in renamed.values() else replace(node, inputs=tuple(renamed.get(n, n) for n in node.inputs))
        for node in split
    ]
    names = [node.name for node in split]
    if len(set(names)) < len(names):
        raise ConversionError("Two layers' names differ only by _act; rename one of them.")
    return _fold_norms(split)


def _has_activation(node: Node) -> bool:
    return node.kind in WEIGHTED and node.config.get("activation", "linear") != "linear"


def _split(node: Node) -> list[Node]:
    """Split a layer into one with a bias, and one for its activation."""
    if node.kind not in WEIGHTED:
        return [node]
    config, weights = {**node.config, "activation": "linear", "use_bias": True}, node.weights
    # Not needed once there are weights, and a constraint would be applied to folded kernels.
    unwanted = ("_regularizer", "_constraint", "_initializer")
    config = {name: value for name, value in config.items() if not name.endswith(unwanted)}
    if not node.config["use_bias"]:
        weights = (*weights, np.zeros(_channels(node), np.float32))
    plain = replace(node, config=config, weights=weights)
    if not _has_activation(node):
        return [plain]
    name = f"{node.name}_act"
    return [plain, Node(name, "Activation", {"name": name, "activation": node.config["activation"]}, (node.name,))]


def _channels(node: Node) -> int:
    kernel = node.weights[0]
    return int(kernel.shape[2] * kernel.shape[3] if node.kind == "DepthwiseConv2D" else kernel.shape[-1])


def _fold_norms(nodes: list[Node]) -> list[Node]:
    users = consumers(nodes)
    gone: dict[str, str] = {}
    done: dict[str, Node] = {}
    for node in nodes:
        alone = bool(node.inputs) and len(users[node.inputs[0]]) == 1
        node = replace(node, inputs=tuple(gone.get(name, name) for name in node.inputs))
        if node.kind == "BatchNormalization":
            before = done[node.inputs[0]]
            if before.kind in WEIGHTED and alone:
                done[before.name] = _into(before, *_scale_and_shift(node))
                gone[node.name] = before.name
                continue
            node = _as_depthwise(node)
        done[node.name] = node
    return list(done.values())


def _scale_and_shift(node: Node) -> tuple[Array, Array]:
    """Return scale and shift of a batch norm, which computes x * scale + shift."""
    values = list(node.weights)
    gamma = values.pop(0) if node.config["scale"] else np.float32(1)
    beta = values.pop(0) if node.config["center"] else np.float32(0)
    mean, variance = (value.astype(np.float64) for value in values)
    scale = gamma / np.sqrt(variance + node.config["epsilon"])
    return scale.astype(np.float32), (beta - mean * scale).astype(np.float32)


def _into(node: Node, scale: Array, shift: Array) -> Node:
    kernel, bias = node.weights
    factor = scale.reshape(kernel.shape[2:]) if node.kind == "DepthwiseConv2D" else scale
    return replace(node, weights=(kernel * factor, bias * scale + shift))


def _as_depthwise(node: Node) -> Node:
    scale, shift = _scale_and_shift(node)
    config: dict[str, Any] = {"name": node.name, "kernel_size": 1, "padding": "same", "use_bias": True}
    return Node(node.name, "DepthwiseConv2D", config, node.inputs, (scale.reshape(1, 1, -1, 1), shift))
