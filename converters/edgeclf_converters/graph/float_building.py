"""What a tf_keras network is rebuilt from: the tensors built so far, a file's constants, and names of layers."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from edgeclf_converters.errors import ConversionError
from edgeclf_converters.frameworks import keras
from edgeclf_converters.graph.float_file import FloatGraph, Operator

__all__ = ["Building"]

_CAPS = {1: None, 3: 6.0}  # fused activations: RELU and RELU6


class Building:
    """What the operators of a graph need when they are rebuilt.

    Attributes:
        graph: the file's graph.
        image: the network's input.
        tensors: the tensors built so far, by index.
    """

    def __init__(self, graph: FloatGraph) -> None:
        self.graph, self._names = graph, set[str]()
        self.image = keras().layers.Input(graph.shapes[graph.input][1:], name="image")
        self.tensors: dict[int, Any] = {graph.input: self.image}

    def value(self, operator: Operator, number: int) -> Any:
        """Return an input: a tensor, or a constant as an array."""
        index = operator.inputs[number]
        return self.tensors[index] if index in self.tensors else self.graph.constants[index]

    def constant(self, operator: Operator, number: int) -> np.ndarray[Any, Any]:
        """Return an input that must be a constant."""
        if operator.inputs[number] not in self.graph.constants:
            raise ConversionError(
                f"Layer {operator.name!r}: input {number} of {operator.kind} is computed, not a constant."
            )
        return self.graph.constants[operator.inputs[number]]

    def weights(self, operator: Operator) -> tuple[Any, Any]:
        """Return the kernel, and the bias or None."""
        has_bias = len(operator.inputs) > 2 and operator.inputs[2] >= 0
        return self.constant(operator, 1), self.constant(operator, 2) if has_bias else None

    def shape(self, operator: Operator) -> tuple[int, ...]:
        """Return the shape of the operator's output, without the batch."""
        return self.graph.shapes[operator.outputs[0]][1:]

    def named(self, operator: Operator, end: str = "") -> str:
        """Return a name for a layer: unique, and with only characters that TensorFlow accepts."""
        base = re.sub(r"[^A-Za-z0-9_.]+", "_", operator.name).strip("_.") or operator.kind.lower()
        name, count = f"{base}{end}", 1
        while name in self._names:
            count += 1
            name = f"{base}_{count}{end}"
        self._names.add(name)
        return name

    def activated(self, tensor: Any, operator: Operator, field: int) -> Any:
        """Apply the activation that is fused into the operator."""
        kind = operator.option(field)
        if kind == 0:
            return tensor
        if kind not in _CAPS:
            raise ConversionError(f"Layer {operator.name!r}: its fused activation {kind} is not supported.")
        return keras().layers.ReLU(_CAPS[kind], name=self.named(operator, "_relu"))(tensor)
