"""Rebuild the network of a float TensorFlow Lite file as a tf_keras model.

A network written by another converter can then be quantized like one trained here. An operator that matches one of the
layers of ``graph.nodes`` becomes that layer, so that all methods apply; the others become plain TensorFlow functions.
"""

from __future__ import annotations

from typing import Any

from edgeclf_converters.errors import ConversionError
from edgeclf_converters.frameworks import keras, tensorflow
from edgeclf_converters.graph.float_building import Building
from edgeclf_converters.graph.float_file import Operator, read_float_graph
from edgeclf_converters.graph.float_layers import BUILDERS

__all__ = ["float_network"]


def float_network(content: bytes) -> Any:
    """Build the network of a float flatbuffer with one image as input.

    Returns:
        a tf_keras model, float32 ``[batch, height, width, channels]`` to what the file computes for a batch of 1.

    Raises:
        ConversionError: an operator is not supported; the error names it and its output tensor.
        ModelError: the file is damaged.
    """
    graph = read_float_graph(content)
    building = Building(graph)
    for operator in graph.operators:
        _add(building, operator)
    if graph.output not in building.tensors:
        raise ConversionError("No operator makes the converted network's output.")
    return keras().Model(building.image, building.tensors[graph.output])


def _add(building: Building, operator: Operator) -> None:
    build = BUILDERS.get(operator.kind)
    if build is None:
        raise ConversionError(f"Layer {operator.name!r}: {operator.kind} is not supported.")
    try:
        made = build(building, operator)
    except ConversionError:
        raise
    except (ValueError, TypeError, IndexError, KeyError, tensorflow().errors.OpError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConversionError(
            f"Layer {operator.name!r}: the operator {operator.kind} cannot be rebuilt: {reason}"
        ) from error
    building.tensors.update(zip(operator.outputs, made if isinstance(made, list) else [made], strict=True))
