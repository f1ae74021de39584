"""The preprocessing of the digits network, its calibration images, and its rounding network."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeclf_converters import Labelled
from edgeclf_converters.graph.fold import fold
from edgeclf_converters.graph.nodes import flatten
from edgeclf_converters.quantize.fake_quant import quantized
from edgeclf_converters.quantize.ranges import estimate, observe
from edgeclf_runtime import Preprocessing

__all__ = ["RULE", "calibration_images", "rounding"]

RULE = Preprocessing(32, 32)


def calibration_images(digits: tuple[Labelled, Labelled]) -> list[np.ndarray]:
    """Return a hundred training images."""
    return list(digits[0].pixels[:100])


def rounding(network: Any, digits: tuple[Labelled, Labelled]) -> tuple[Any, Any, Any]:
    """Return the folded nodes, their activation ranges, and the network that rounds as the int8 file."""
    nodes = fold(flatten(network))
    ranges = estimate(observe(nodes, calibration_images(digits), RULE), "minmax", RULE, nodes[0].name)
    return nodes, ranges, quantized(nodes, ranges, kernels=True)[0]
