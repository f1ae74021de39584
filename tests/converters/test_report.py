"""The report of a real int8 file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgeclf import Run
from edgeclf.model.network import build_classifier, set_weights, with_softmax
from edgeclf_converters.graph.fold import fold
from edgeclf_converters.graph.nodes import Node, flatten
from edgeclf_converters.parity.layers import layer_noise, multiply_accumulates
from edgeclf_runtime import Classifier
from edgeclf_runtime.pictures.images import find_images, read_image
from edgeclf_runtime.pictures.preprocess import resize


def _folded(network: object) -> list[Node]:
    return fold(flatten(with_softmax(network)))


def test_the_page_and_the_json_are_next_to_the_file(model: Path) -> None:
    report = json.loads(model.with_name("digits.parity.json").read_text("utf-8"))
    page = model.with_name("digits.parity.html").read_text("utf-8")
    assert report["parity"]["count"] == 9
    assert report["int8_bytes"] < 0.4 * report["float_bytes"]
    assert all(layer["name"] in page for layer in report["layers"])
    assert "http" not in page  # a single page without other files


def test_every_layer_is_measured_and_a_damaged_one_is_the_worst(run: Run, model: Path, digits: Path) -> None:
    network = build_classifier(run.config.network, 64, 3)
    set_weights(network, run.read_arrays("weights"))
    with Classifier.load(model) as classifier:
        rule = classifier.card.preprocessing
    images = [resize(read_image(path), rule) for path in find_images(digits)[:4]]
    layers = layer_noise(_folded(network), model.read_bytes(), images, rule)
    names = [layer.name for layer in layers]
    assert len(names) == len(set(names)) > 50
    assert {"stem_relu", "block3_project_conv", "block4_add", "pool", "logits"} <= set(names)
    assert all(0 <= layer.clipped <= 1 for layer in layers)
    assert all(layer.clipped < 0.2 for layer in layers if layer.name.endswith("_relu"))  # most zeros are correct
    again = layer_noise(_folded(network), model.read_bytes(), images * 3, rule)  # more than one batch
    assert [layer.decibels for layer in again] == pytest.approx([layer.decibels for layer in layers], abs=0.01)
    damaged = network.get_layer("block3_project_conv")
    damaged.set_weights([damaged.get_weights()[0] * np.float32(1.7)])
    first = layer_noise(_folded(network), model.read_bytes(), images, rule)
    changed = [name for name, a, b in zip(names, layers, first, strict=True) if b.decibels < a.decibels - 3]
    assert changed[0] == "block3_project_conv"


def test_multiplications_of_a_known_network(run: Run, model: Path) -> None:
    # Lite0's published 407 million at 224x224 scale with the area, except the 1000-class head: 64x64 has 1/12.25.
    assert 0.8 < multiply_accumulates(model.read_bytes()) / (407e6 / 12.25) < 1.1
