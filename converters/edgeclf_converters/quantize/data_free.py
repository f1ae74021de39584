"""Quantize a network without images, using the statistics that its batch norms have learned (Nagel et al., ICCV 2019).

Each channel after a batch norm is assumed to be normally distributed, with the norm's shift as mean and its scale as
standard deviation. From there, means and deviations are propagated through rectifiers, sums and poolings. They give the
ranges of the activations, and the mean change of an output by rounding its kernel, which the bias then removes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeclf_converters.errors import ConversionError
from edgeclf_converters.graph.fold import WEIGHTED, fold
from edgeclf_converters.graph.nodes import Node, flatten, relu_cap
from edgeclf_converters.quantize.fake_quant import quantized, ranged_nodes
from edgeclf_converters.quantize.refine import corrected_bias
from edgeclf_converters.tflite.convert import check_model, convert_rounding
from edgeclf_runtime.pictures.preprocess import Preprocessing

__all__ = ["ExpectedOutput", "convert_data_free", "expected", "expected_ranges"]

_DEVIATIONS = 6  # number of standard deviations in a range, as in the paper
_MEAN, _DEVIATION = (124.0, 116.0, 104.0), 58.0  # of photographs' RGB values in 0..255, from ImageNet
Floats = npt.NDArray[np.float64]
_SAME = ("GlobalAveragePooling2D", "AveragePooling2D", "MaxPooling2D", "ZeroPadding2D", "Dropout", "Softmax")


@dataclass(frozen=True, eq=False)
class ExpectedOutput:
    """The expected distribution of a node's output.

    Attributes:
        mean, deviation: float64 ``[channels]``.
        low, high: bounds that no value exceeds.
    """

    mean: Floats
    deviation: Floats
    low: float = -np.inf
    high: float = np.inf

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest value of any channel; contains 0, which must be exact in integers."""
        low = max(self.low, float((self.mean - _DEVIATIONS * self.deviation).min()))
        high = min(self.high, float((self.mean + _DEVIATIONS * self.deviation).max()))
        return min(low, 0.0), max(high, min(low, 0.0) + 1e-6, 0.0)


def convert_data_free(model: Any, rule: Preprocessing) -> bytes:
    """Convert a network with batch norms to int8 without any image.

    Args:
        model: a network from normalized RGB float32 ``[batch, height, width, 3]`` to scores ``[batch, classes]``.
        rule: its preprocessing.

    Returns:
        a flatbuffer like that of ``tflite.convert`` for int8.

    Raises:
        ConversionError: a layer with a kernel, other than the last, has no batch norm, or is of a kind whose output
            cannot be predicted.
    """
    check_model(model, rule)
    layers = flatten(model)
    nodes = fold(layers)
    outputs = expected(layers, nodes, rule)
    means = {name: output.mean.astype(np.float32) for name, output in outputs.items()}
    corrected = [corrected_bias(node, means[node.inputs[0]]) if node.kind in WEIGHTED else node for node in nodes]
    ranges = expected_ranges(nodes, outputs, rule)
    return convert_rounding(quantized(corrected, ranges, kernels=False)[0], rule)


def expected(layers: Sequence[Node], nodes: Sequence[Node], rule: Preprocessing) -> dict[str, ExpectedOutput]:
    """Return the expected distribution of each node's output.

    Args:
        layers: from ``flatten``, with batch norms.
        nodes: the same network from ``fold``.

    Raises:
        ConversionError: see ``convert_data_free``.
    """
    norms = _norms(layers, nodes)
    weighted = [node.name for node in nodes if node.kind in WEIGHTED]
    if unknown := next((name for name in weighted[:-1] if name not in norms), None):
        raise ConversionError(f"Layer {unknown!r} has no batch norm that says what it puts out; calibrate on images.")
    outputs: dict[str, ExpectedOutput] = {}
    for node in nodes:
        given = [outputs[name] for name in node.inputs]
        outputs[node.name] = norms[node.name] if node.name in norms else _output(node, given, rule)
    return outputs


def expected_ranges(
    nodes: Sequence[Node], outputs: Mapping[str, ExpectedOutput], rule: Preprocessing
) -> dict[str, tuple[float, float]]:
    """Return the ranges of the nodes that have one; the input's follows from the preprocessing."""
    by_name = {node.name: node for node in nodes}
    ranges = {name: _range(by_name[name], outputs) for name in ranged_nodes(nodes)}
    mean, std = np.array(rule.mean), np.array(rule.std)
    ranges[nodes[0].name] = float(((0 - mean) / std).min()), float(((255 - mean) / std).max())
    return ranges


def _range(node: Node, outputs: Mapping[str, ExpectedOutput]) -> tuple[float, float]:
    cap = relu_cap(node)
    if cap is None:
        return outputs[node.name].range
    return 0.0, max(min(cap, outputs[node.inputs[0]].range[1]), 1e-6)


def _norms(layers: Sequence[Node], nodes: Sequence[Node]) -> dict[str, ExpectedOutput]:
    """Return the outputs that a batch norm describes, by the name of the node that it was folded into."""
    names, described = {node.name for node in nodes}, {}
    for layer in layers:
        if layer.kind != "BatchNormalization":
            continue
        values, ones = list(layer.weights), np.ones_like(layer.weights[-1], np.float64)
        scale = values.pop(0) if layer.config["scale"] else ones
        shift = values.pop(0) if layer.config["center"] else 0 * ones
        name = layer.name if layer.name in names else layer.inputs[0]
        described[name] = ExpectedOutput(shift.astype(np.float64), np.abs(scale).astype(np.float64))
    return described


def _output(node: Node, given: Sequence[ExpectedOutput], rule: Preprocessing) -> ExpectedOutput:
    """Return the distribution of a node's output from those of its inputs, as if they were independent."""
    if node.kind == "InputLayer":
        std = np.array(rule.std, np.float64)
        return ExpectedOutput((np.array(_MEAN) - np.array(rule.mean)) / std, _DEVIATION / std)
    if (cap := relu_cap(node)) is not None:
        return _rectified(given[0], cap)
    if node.kind == "Add":
        mean = np.sum([item.mean for item in given], axis=0)
        deviation = np.sqrt(np.sum([np.square(item.deviation) for item in given], axis=0))
        return ExpectedOutput(mean, deviation, sum(item.low for item in given), sum(item.high for item in given))
    if node.kind == "Concatenate":
        mean = np.concatenate([item.mean for item in given])
        deviation = np.concatenate([item.deviation for item in given])
        return ExpectedOutput(mean, deviation, min(item.low for item in given), max(item.high for item in given))
    if node.kind in WEIGHTED and len(given[0].mean) * node.weights[0].shape[-1] == node.weights[0].size:
        return _last(node, given[0])
    if node.kind in _SAME or node.kind == "Activation":
        return given[0]
    raise ConversionError(f"Layer {node.name!r} ({node.kind}): its output cannot be foreseen; calibrate on images.")


def _last(node: Node, given: ExpectedOutput) -> ExpectedOutput:
    """Return the distribution of the scores, whose layer has no batch norm: a dense layer, or a 1x1 convolution."""
    kernel, bias = (value.astype(np.float64) for value in node.weights)
    kernel = kernel.reshape(-1, kernel.shape[-1])
    return ExpectedOutput(given.mean @ kernel + bias, np.sqrt(np.square(given.deviation) @ np.square(kernel)))


def _rectified(given: ExpectedOutput, cap: float) -> ExpectedOutput:
    """Return mean and deviation of normally distributed values that are clipped at 0 and at the cap."""
    mean, deviation = given.mean, np.maximum(given.deviation, 1e-9)
    low, high = -mean / deviation, (cap - mean) / deviation
    inside, above = _below(high) - _below(low), 1 - _below(high)
    finite = np.where(np.isfinite(high), high, 0.0)
    first = mean * inside + deviation * (_density(low) - _density(high))
    second = (mean**2 + deviation**2) * inside + 2 * mean * deviation * (_density(low) - _density(high))
    second += deviation**2 * (low * _density(low) - finite * _density(high))
    if np.isfinite(cap):
        first, second = first + cap * above, second + cap**2 * above
    return ExpectedOutput(first, np.sqrt(np.maximum(second - first**2, 0.0)), 0.0, cap)


def _density(value: Floats) -> Floats:
    return np.exp(-np.square(value) / 2) / math.sqrt(2 * math.pi)


def _below(value: Floats) -> Floats:
    """Return the share of a standard normal distribution below each value."""
    return np.array([0.5 * (1 + math.erf(one / math.sqrt(2))) for one in value])
