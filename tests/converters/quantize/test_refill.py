"""Files made by writing into a converted file: their bytes are those of TensorFlow's converter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgeclf_converters import Labelled, QatConfig
from edgeclf_converters.graph.nodes import Node
from edgeclf_converters.quantize import refill
from edgeclf_converters.quantize.fake_quant import Ranges, quantized
from edgeclf_converters.quantize.qat import train_epochs
from edgeclf_converters.quantize.ranges import estimate, observe
from edgeclf_converters.quantize.refill import FirstFile, RoundingConverter
from edgeclf_converters.tflite.convert import convert_rounding
from tests.converters.quantize.digits_network import RULE, calibration_images, rounding


@pytest.fixture(scope="module")
def first(network: Any, digits: tuple[Labelled, Labelled]) -> tuple[list[Node], Ranges, bytes]:
    """The digits network, its ranges, and its file as converted."""
    nodes, ranges, _ = rounding(network, digits)
    return nodes, ranges, _converted(nodes, ranges)


def _converted(nodes: Sequence[Node], ranges: Ranges) -> bytes:
    return convert_rounding(quantized(nodes, ranges, kernels=False)[0], RULE)


def test_another_networks_file_has_the_bytes_of_the_converter(
    first: tuple[list[Node], Ranges, bytes], digits: tuple[Labelled, Labelled]
) -> None:
    """As in a search: other ranges, and weights trained with rounding."""
    nodes, ranges, content = first
    percentile = estimate(observe(nodes, calibration_images(digits), RULE), "percentile", RULE, nodes[0].name)
    config = QatConfig(epochs=1, learning_rate=5e-3)
    ((trained, _),) = train_epochs(nodes, nodes, ranges, lambda after: ranges, digits[0], RULE, config)
    filled = FirstFile(content, nodes, ranges).filled(trained, percentile)
    assert filled is not None
    assert filled != content
    assert filled == _converted(trained, percentile)


def test_dead_channels_tiny_weights_and_large_biases_give_the_bytes_of_the_converter(
    first: tuple[list[Node], Ranges, bytes],
) -> None:
    """As in ImageNet's networks; for a large bias the converter raises the scales of the channel or layer."""
    nodes, ranges, content = first
    changed = [_with_extremes(node) if node.kind in ("Conv2D", "Dense") else node for node in nodes]
    assert FirstFile(content, nodes, ranges).filled(changed, ranges) == _converted(changed, ranges)


def _with_extremes(node: Node) -> Node:
    kernel, bias = (weight.copy() for weight in node.weights)
    if node.kind == "Dense":
        bias[0] = 3e7
    else:
        kernel[..., 1:7] = 0
        kernel[..., 7:12] *= np.array([1e-3, 1e-6, 1e-8, 1e-12, 1e-36], np.float32)
        bias[1:7] = 0, 1e-12, 1e-9, 1e-6, 1e-3, 1
    return replace(node, weights=(kernel, bias))


def test_only_the_converter_writes_what_may_come_out_otherwise(first: tuple[list[Node], Ranges, bytes]) -> None:
    nodes, ranges, content = first
    written = FirstFile(content, nodes, ranges)
    assert written.filled(nodes[:-1], ranges) is None, "another structure"
    brighter = {**ranges, nodes[0].name: (0.0, 1.0)}
    assert written.filled(nodes, brighter) is None, "another preprocessing"
    dense = next(node.name for node in nodes if node.kind == "Dense")
    missing = {name: span for name, span in ranges.items() if name != dense}
    assert FirstFile(content, nodes, missing).filled(nodes, missing) is None, "a tensor without a range"
    other = {name: (low * 2, high * 2) for name, (low, high) in ranges.items()}
    assert FirstFile(content, nodes, other).filled(nodes, other) is None, "not the file of these numbers"


def test_a_search_converts_each_structure_once(
    first: tuple[list[Node], Ranges, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes, ranges, content = first
    calls: list[Any] = []
    monkeypatch.setattr(refill, "convert_rounding", lambda model, rule: calls.append(model) or content)
    convert = RoundingConverter(RULE)
    wider = {name: span if name == nodes[0].name else (span[0], span[1] * 2) for name, span in ranges.items()}
    assert convert(nodes, ranges) == content
    assert convert(nodes, wider) != content
    assert len(calls) == 1
    assert np.frombuffer(convert(nodes, ranges), np.uint8).size == len(content)
