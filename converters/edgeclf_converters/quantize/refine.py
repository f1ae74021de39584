"""Correct biases and equalize layers, to quantize a folded network better (Nagel et al., ICCV 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edgeclf_converters.frameworks import tensorflow
from edgeclf_converters.graph.fold import WEIGHTED, shared_scale_axes
from edgeclf_converters.graph.inputs import normalized
from edgeclf_converters.graph.nodes import Array, Node, build, consumers, relu_cap
from edgeclf_runtime.pictures.preprocess import Pixels, Preprocessing

__all__ = ["correct_biases", "corrected_bias", "equalize", "equalized_pairs", "rounded_kernel", "rounded_kernels"]

_BATCH = 8
_LARGEST = 8.0  # maximum factor by which a channel is scaled up or down


def rounded_kernel(node: Node) -> Array:
    """Return a kernel rounded to the values of its int8 codes."""
    kernel = node.weights[0]
    scale = np.maximum(np.abs(kernel).max(axis=shared_scale_axes(node.kind), keepdims=True), 1e-9) / 127
    return np.asarray(np.round(kernel / scale) * scale, np.float32)


def rounded_kernels(nodes: Sequence[Node]) -> list[Node]:
    """Return the network with all kernels rounded to the values of their int8 codes."""
    return [replace(n, weights=(rounded_kernel(n), *n.weights[1:])) if n.kind in WEIGHTED else n for n in nodes]


def correct_biases(nodes: Sequence[Node], pictures: Sequence[Pixels], rule: Preprocessing) -> list[Node]:
    """Subtract from each bias what rounding its kernel adds to the output, on average over the images.

    That is the kernel's rounding error times the mean input; padding at the image's border makes it an approximation.
    """
    tf = tensorflow()
    sources = sorted({node.inputs[0] for node in nodes if node.kind in WEIGHTED})
    model = build(nodes, outputs=sources)

    @tf.function(autograph=False, reduce_retracing=True)  # type: ignore[untyped-decorator]
    def means(pixels: Any) -> Any:
        outputs = model(normalized(pixels, rule), training=False)
        outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
        return [tf.reduce_mean(tf.reshape(x, [-1, x.shape[-1]]), 0) for x in outputs]

    total: dict[str, Array] = {}
    for start in range(0, len(pictures), _BATCH):
        batch = np.stack(pictures[start : start + _BATCH])
        for name, value in zip(sources, means(tf.constant(batch)), strict=True):
            total[name] = total.get(name, np.float32(0)) + value.numpy() * np.float32(len(batch) / len(pictures))
    return [corrected_bias(node, total[node.inputs[0]]) if node.kind in WEIGHTED else node for node in nodes]


def corrected_bias(node: Node, mean: Array) -> Node:
    """Return a layer whose bias compensates for its rounded kernel, if its input has this mean ``[channels]``."""
    error = rounded_kernel(node) - node.weights[0]
    if node.kind == "DepthwiseConv2D":
        shift = (error.sum(axis=(0, 1)) * mean[:, None]).reshape(-1)
    elif node.kind == "Conv2D":
        shift = np.einsum("hwio,i->o", error, mean) if error.shape[2] == len(mean) else np.float32(0)
    else:
        shift = mean @ error
    return replace(node, weights=(node.weights[0], (node.weights[1] - shift).astype(np.float32)))


def equalized_pairs(nodes: Sequence[Node]) -> list[tuple[str, str]]:
    """Return pairs of layers that are each other's only neighbour, with at most an uncapped rectifier in between."""
    users, pairs = consumers(nodes), []
    for node in nodes:
        if node.kind not in WEIGHTED or node.config.get("depth_multiplier", 1) != 1:
            continue
        after = users[node.name]
        while len(after) == 1 and relu_cap(after[0]) == float("inf"):
            after = users[after[0].name]
        if len(after) == 1 and after[0].kind in WEIGHTED and _channels_in(after[0]) == len(node.weights[1]):
            pairs.append((node.name, after[0].name))
    return pairs


def equalize(nodes: Sequence[Node]) -> list[Node]:
    """Scale channels between neighbouring layers so that their ranges are equal on both sides; the function stays.

    This needs a rectifier without a cap between them, as only then relu(s * x) = s * relu(x). A channel whose weights
    are all 0 on one side is left unchanged: it has no range to equalize.
    """
    by_name = {node.name: node for node in nodes}
    for first, second in equalized_pairs(nodes):
        a, b = by_name[first], by_name[second]
        here, there = _ranges(a, _output_axis(a)), _ranges(b, _input_axis(b))
        alive = (here > 0) & (there > 0)
        if not alive.any():
            continue
        apart = np.sqrt(np.where(alive, here, 1) / np.where(alive, there, 1))
        apart = np.clip(apart / np.exp(np.log(apart[alive]).mean()), 1 / _LARGEST, _LARGEST)
        scale: Array = np.where(alive, apart, 1).astype(np.float32)
        by_name[first] = replace(a, weights=(_along(a, _output_axis(a), np.reciprocal(scale)), a.weights[1] / scale))
        by_name[second] = replace(b, weights=(_along(b, _input_axis(b), scale), b.weights[1]))
    return [by_name[node.name] for node in nodes]


def _output_axis(node: Node) -> int:
    """Return the kernel's axis of output channels; a depthwise layer in a pair has multiplier 1."""
    return 2 if node.kind == "DepthwiseConv2D" else node.weights[0].ndim - 1


def _input_axis(node: Node) -> int:
    return node.weights[0].ndim - 2


def _channels_in(node: Node) -> int:
    plain = node.config.get("groups", 1) == 1 and node.config.get("depth_multiplier", 1) == 1
    return int(node.weights[0].shape[_input_axis(node)]) if plain else -1


def _ranges(node: Node, axis: int) -> Array:
    kernel = np.abs(node.weights[0])
    return np.asarray(kernel.max(axis=tuple(i for i in range(kernel.ndim) if i != axis)))


def _along(node: Node, axis: int, scale: Array) -> Array:
    shape = [1] * node.weights[0].ndim
    shape[axis] = -1
    return node.weights[0] * scale.reshape(shape)
