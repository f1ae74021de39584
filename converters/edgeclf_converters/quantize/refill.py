"""Convert networks that differ only in their numbers: the first by TensorFlow's converter, the others into its file.

The converter takes as long for each network of an int8 search as for the first. The arithmetic here is that of its
quantizer (MLIR's quant dialect; Jacob et al., CVPR 2018), so that the bytes are the same.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeclf_converters.frameworks import quiet
from edgeclf_converters.graph.fold import WEIGHTED, shared_scale_axes
from edgeclf_converters.graph.nodes import Node
from edgeclf_converters.quantize.fake_quant import Ranges, quantized
from edgeclf_converters.tflite.convert import convert_rounding
from edgeclf_runtime.pictures.preprocess import Preprocessing

__all__ = ["FirstFile", "RoundingConverter"]

_WEIGHTED, _QUANTIZE = (3, 4, 9), 114  # builtin operators: CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED
_KEEPS_SCALE = (17, 22, 34)  # MAX_POOL_2D, RESHAPE, PAD
_FIXED = (14, 25)  # LOGISTIC, SOFTMAX: 1/256
_RANGED = (0, 40, *_WEIGHTED)  # also ADD, MEAN
_UINT8 = 3
_SMALLEST = 5e-7  # if all weights are smaller, this is the range
_LARGEST_BIAS = (1 << 30) - 1  # half of int32; for a larger bias the kernel's scale is raised

Numbers = npt.NDArray[Any]


class _OtherStructureError(Exception):
    """The file has an operator or a tensor that cannot be written reliably."""


class RoundingConverter:
    """Convert folded networks to int8 files.

    Args:
        rule: the networks' preprocessing.
    """

    def __init__(self, rule: Preprocessing) -> None:
        self._rule = rule
        self._first: FirstFile | None = None

    def __call__(self, nodes: Sequence[Node], ranges: Ranges) -> bytes:
        """Return the file of a network with these activation ranges; see ``convert_rounding``."""
        filled = self._first.filled(nodes, ranges) if self._first is not None else None
        if filled is not None:
            return filled
        content = convert_rounding(quantized(nodes, ranges, kernels=False)[0], self._rule)
        self._first = self._first or FirstFile(content, nodes, ranges)
        return content


class FirstFile:
    """A converted file, to write the numbers of other networks with the same structure into.

    Args:
        content: the flatbuffer that ``convert_rounding`` returned for ``quantized(nodes, ranges)``.
        nodes, ranges: the network and its ranges.
    """

    def __init__(self, content: bytes, nodes: Sequence[Node], ranges: Ranges) -> None:
        self._content, self._structure = content, _structure(nodes)
        self._image = ranges[nodes[0].name]
        self._is_understood = self._filled(nodes, ranges) == content

    def filled(self, nodes: Sequence[Node], ranges: Ranges) -> bytes | None:
        """Return the file of another network, as the converter would; None if only the converter can do it.

        First, the first file is written again from its own numbers, and must come out the same.
        """
        same = _structure(nodes) == self._structure and ranges[nodes[0].name] == self._image
        return self._filled(nodes, ranges) if self._is_understood and same else None

    def _filled(self, nodes: Sequence[Node], ranges: Ranges) -> bytes | None:
        with quiet():
            from tensorflow.lite.tools import flatbuffer_utils
        model = flatbuffer_utils.convert_bytearray_to_object(bytearray(self._content))
        try:
            _Filling(model, nodes, ranges).fill()
        except _OtherStructureError:
            return None
        return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _structure(nodes: Sequence[Node]) -> list[Any]:
    return [(n.name, n.kind, n.config, n.inputs, [weight.shape for weight in n.weights]) for n in nodes]


class _Filling:
    """Writes the numbers of a network into a file's objects."""

    def __init__(self, model: Any, nodes: Sequence[Node], ranges: Ranges) -> None:
        self._model, self._tensors, self._nodes = model, model.subgraphs[0].tensors, nodes
        self._ranges = {name: np.array(span, np.float32).astype(np.float64) for name, span in ranges.items()}
        image = nodes[0].name
        self._weighted = {node.name: node for node in nodes if node.kind in WEIGHTED}
        self._left = [*self._weighted, *(name for name in ranges if name != image)]  # each must be written, once
        self._scales = {model.subgraphs[0].inputs[0]: _scale(*self._ranges[image])}  # of activations, not rounded
        self._contents: dict[int, bytes] = {}  # of buffers

    def fill(self) -> None:
        """Write the numbers of all operators.

        Raises:
            _OtherStructureError: a tensor is left whose numbers are unknown, or a node that has no tensor.
        """
        for operator in self._model.subgraphs[0].operators:
            code = self._model.operatorCodes[operator.opcodeIndex].builtinCode
            self._write_output(code, int(operator.inputs[0]), int(operator.outputs[0]))
            if code in _WEIGHTED:
                given, kernel, bias = (int(index) for index in operator.inputs)
                self._write_weights(given, kernel, bias, self._tensors[operator.outputs[0]])
        # The converter stores equal contents once: those that differed must still differ.
        if self._left or len(set(self._contents.values())) < len(self._contents):
            raise _OtherStructureError

    def _write_output(self, code: int, given: int, made: int) -> None:
        ends = self._model.subgraphs[0]
        if code in _RANGED:
            span = self._ranges[self._taken(self._carried(self._tensors[made], self._ranges)[-1:])]
            self._scales[made] = _scale(*span)
            zero_point = np.clip(_rounded(-span[0] / self._scales[made]), 0, 255) - 128
            _set(self._tensors[made], np.array([self._scales[made]]), np.array([zero_point]))
        elif code in _KEEPS_SCALE or (code == _QUANTIZE and given == ends.inputs[0]):
            self._scales[made] = self._scales[given]
            _copy(self._tensors[given], self._tensors[made])
        elif code == _QUANTIZE and made == ends.outputs[0]:
            _copy(self._tensors[given], self._tensors[made])
        elif code not in _FIXED:
            raise _OtherStructureError

    def _carried(self, tensor: Any, names: Collection[str]) -> list[str]:
        """Return those of the names that the converter joined into the tensor's name, in the network's order."""
        paths = [f"/{path}/".replace("/quant_", "/") for path in tensor.name.decode().split(";")]
        return [n.name for n in self._nodes if n.name in names and any(f"/{n.name}/" in path for path in paths)]

    def _taken(self, names: list[str]) -> str:
        """Return the only name, and mark it as written."""
        if len(names) != 1 or names[0] not in self._left:
            raise _OtherStructureError
        self._left.remove(names[0])
        return names[0]

    def _write_weights(self, given: int, kernel: int, bias: int, made: Any) -> None:
        node = self._weighted[self._taken(self._carried(made, self._weighted))]
        values, axes = node.weights[0].astype(np.float64), shared_scale_axes(node.kind)
        largest = np.maximum(np.abs(values).max(axis=axes, keepdims=True), _SMALLEST)
        bias_values, scale = node.weights[1].astype(np.float64), largest / 127
        needed = np.abs(bias_values) / _LARGEST_BIAS
        needed = (needed.max(keepdims=True) if scale.size == 1 else needed).reshape(scale.shape)
        bias_scale = self._scales[given] * scale
        raised = np.where(needed > bias_scale, needed / self._scales[given], scale)
        codes = np.clip(_rounded(values / raised), -127, 127)
        self._write(self._tensors[kernel], _as_stored(codes, node.kind), raised.reshape(-1), np.int8)
        scales = np.maximum(bias_scale, needed).reshape(-1)
        self._write(self._tensors[bias], np.rint(bias_values / scales), scales, np.int32)

    def _write(self, tensor: Any, values: Numbers, scales: Numbers, kind: type[np.integer[Any]]) -> None:
        if tuple(tensor.shape) != values.shape or len(tensor.quantization.scale) != len(scales):
            raise _OtherStructureError
        _set(tensor, scales, np.zeros(len(scales)))
        content = np.ascontiguousarray(values, kind).tobytes()
        if self._contents.setdefault(tensor.buffer, content) != content:
            raise _OtherStructureError
        self._model.buffers[tensor.buffer].data = np.frombuffer(content, np.uint8)


def _scale(low: float, high: float) -> float:
    return (high - low) / 255


def _as_stored(kernel: Numbers, kind: str) -> Numbers:
    """Return a tf_keras kernel in the file's order: outputs first, or ``[1, height, width, out]`` if depthwise."""
    return kernel.reshape(1, *kernel.shape[:2], -1) if kind == "DepthwiseConv2D" else np.moveaxis(kernel, -1, 0)


def _rounded(values: Any) -> Any:
    """Round halves away from zero, as C++ does; for a bias, to the even number."""
    return np.trunc(values + np.copysign(0.5, values))


def _set(tensor: Any, scales: Numbers, zero_points: Numbers) -> None:
    tensor.quantization.scale = scales.astype(np.float32)
    tensor.quantization.zeroPoint = zero_points.astype(np.int64)


def _copy(given: Any, made: Any) -> None:
    """Write the same scale; a uint8 zero point is 128 above that of int8."""
    shift = 128 * ((made.type == _UINT8) - (given.type == _UINT8))
    _set(made, given.quantization.scale, given.quantization.zeroPoint + shift)
