"""The last layer of a network, a dense one before a softmax: read it, and replace it by one with other classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.errors import ModelError
from edgeclf_runtime.model.appending import Appending
from edgeclf_runtime.model.flatbuffer import Table, last_operator, read_tensor_info
from edgeclf_runtime.model.metadata import renamed

__all__ = ["LastLayer", "Quantized", "quantized", "read_last_layer", "with_last_layer", "with_rows"]

_CONV, _DEQUANTIZE, _FULLY_CONNECTED, _LOGISTIC, _SOFTMAX, _CUSTOM, _QUANTIZE = 3, 6, 9, 14, 25, 32, 114
_SKIPPED = {_SOFTMAX, _DEQUANTIZE, _QUANTIZE, 22, 43}  # ignored in naming a network's end; the last two reshape
_TYPES = {0: "float32", 1: "float16", 2: "int32", 9: "int8"}
_STORED = {"int8": ("int32", "float32"), "float32": ("float32",), "float16": ("float32", "float16")}  # weights: bias
_OPERATORS, _BUFFERS, _METADATA = 3, 4, 6  # fields of a graph, and of a model
_SHAPE, _BUFFER, _QUANTIZATION, _DYNAMIC_SHAPE = 0, 2, 4, 7  # fields of a tensor
_UNKNOWN = "The last layer is stored in a way that cannot be taught."
_LARGEST = 127  # code of a weight, whose zero point is 0

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LastLayer:
    """The last layer's values, and how they are stored.

    Attributes:
        weights: real values, float64 ``[classes, size]``.
        bias: real values, float64 ``[classes]``.
        dtype: type of the stored weights: "int8", "float32" or "float16".
        scales: scales of the stored weights: one for all, or one per class; empty if they are not quantized.
        features: scale of the layer's input; 0 if it is not quantized.
        output: scale and zero point of the layer's output; scale 0 if it is not quantized.
    """

    weights: Floats
    bias: Floats
    dtype: str
    scales: tuple[float, ...]
    features: float
    output: tuple[float, int]

    @property
    def is_int8(self) -> bool:
        """Whether the layer is computed in integers."""
        return self.features > 0


@dataclass(frozen=True, eq=False)
class Quantized:
    """A last layer in its stored form.

    Attributes:
        weights: int8 or float32 ``[classes, size]``.
        bias: int32 or float32 ``[classes]``.
        scales: scales of the weights; empty if they are not quantized.
        output: scale and zero point of the logits; scale 0 if they are not quantized.
    """

    weights: npt.NDArray[np.generic]
    bias: npt.NDArray[np.generic]
    scales: tuple[float, ...]
    output: tuple[float, int]


def read_last_layer(network: bytes) -> LastLayer:
    """Read the last layer of a network.

    Args:
        network: a flatbuffer that ``read_flat_model`` has checked.

    Raises:
        ModelError: it does not end with a dense layer and a softmax, or the layer is stored in an unsupported way; the
            message does not name the file.
    """
    return _Ending(network).layer()


def quantized(weights: Floats, bias: Floats, layer: LastLayer, logits: tuple[float, float]) -> Quantized:
    """Return a new last layer in the form of the old one.

    Args:
        weights, bias: real values, ``[classes, size]`` and ``[classes]``.
        layer: the old one.
        logits: lowest and highest logit to represent.
    """
    if layer.dtype != "int8":
        return Quantized(weights.astype(np.float32), bias.astype(np.float32), (), (0.0, 0))
    each = np.maximum(np.abs(weights).max(axis=1), 1e-9) / _LARGEST
    scales = each if len(layer.scales) > 1 else np.full(len(each), each.max())
    codes = np.rint(weights / scales[:, np.newaxis]).astype(np.int8)
    kept = tuple(float(scale) for scale in (scales if len(layer.scales) > 1 else scales[:1]))
    if not layer.is_int8:
        return Quantized(codes, bias.astype(np.float32), kept, (0.0, 0))
    return Quantized(codes, _bias_codes(bias, layer.features * scales), kept, _spread(*logits))


def with_rows(layer: LastLayer, weights: Floats, bias: Floats) -> Quantized:
    """Return a last layer with additional classes; the stored values of the others stay the same bit for bit.

    So the scale of the logits stays, too, and a common scale of all weights: larger weights are clipped.

    Args:
        layer: the old one.
        weights, bias: real values of all classes; the first ones are those of ``layer``.
    """
    if layer.dtype != "int8":
        return quantized(weights, bias, layer, (0, 0))
    more = np.maximum(np.abs(weights[len(layer.bias) :]).max(axis=1), 1e-9) / _LARGEST
    kept = (*layer.scales, *map(float, more)) if len(layer.scales) > 1 else layer.scales
    scales = np.broadcast_to(np.array(kept), bias.shape)
    codes = np.rint(weights / scales[:, np.newaxis]).clip(-_LARGEST, _LARGEST)
    codes[: len(layer.bias)] = np.rint(layer.weights / scales[: len(layer.bias), np.newaxis])  # one may be -128
    if not layer.is_int8:
        return Quantized(codes.astype(np.int8), bias.astype(np.float32), kept, (0.0, 0))
    return Quantized(codes.astype(np.int8), _bias_codes(bias, layer.features * scales), kept, layer.output)


def _bias_codes(bias: Floats, scales: Floats) -> npt.NDArray[np.int32]:
    limits = np.iinfo(np.int32)
    return np.rint(bias / scales).clip(limits.min, limits.max).astype(np.int32)


def _spread(lowest: float, highest: float) -> tuple[float, int]:
    """Return scale and zero point of int8 that represent these values, and 0."""
    low, high = min(lowest, 0.0), max(highest, 0.0)
    scale = float(np.float32(max(high - low, 1e-3) / 255))
    return scale, round(-128 - low / scale)


def with_last_layer(network: bytes, new: Quantized, name: str) -> bytes:
    """Return a network with another last layer, which may have another number of classes.

    The rest of the network stays the same. A network changed this way before does not grow.

    Args:
        network: a flatbuffer that ``read_flat_model`` has checked.
        new: the new layer.
        name: name of the model, for any metadata.

    Raises:
        ModelError: see ``read_last_layer``.
    """
    return _Ending(network).replaced(new, name)


class _Ending:
    """The tables of a network's last operators."""

    def __init__(self, network: bytes) -> None:
        self._network = network
        self._model = Table.root(network, b"TFL3")
        graph = next(self._model.tables(2))
        self._tensors = list(graph.tables(0))
        self._buffers = list(self._model.tables(_BUFFERS))
        self._codes = [max(code.scalar(0, "b"), code.scalar(3, "i")) for code in self._model.tables(1)]
        self._operators = list(graph.tables(_OPERATORS))
        made_by = {made: operator for operator in self._operators for made in operator.integers(2, "i")}
        outputs = graph.integers(2, "i")
        if len(outputs) != 1:
            raise ModelError(f"{len(outputs)} outputs; an image classifier has one.")
        self._after = [outputs[0]]  # tensors with one value per class
        operator = made_by.get(outputs[0])
        while operator is not None and self._code(operator) in (_QUANTIZE, _DEQUANTIZE) and len(self._after) < 9:
            self._after.append(_first(operator, 1))
            operator = made_by.get(self._after[-1])
        softmax = operator
        operator = made_by.get(_first(softmax, 1)) if softmax is not None else None
        codes = [-1 if each is None else self._code(each) for each in (operator, softmax)]
        if operator is None or codes != [_FULLY_CONNECTED, _SOFTMAX]:
            raise ModelError(_why(last_operator(self._model, graph, _SKIPPED)[0]))
        touched = operator.integers(1, "i")
        options = operator.table(4)
        if len(touched) != 3 or min(touched) < 0 or (options is not None and options.scalar(0, "b")):
            raise ModelError("The last layer has no bias or has an activation of its own, so it cannot be taught.")
        self._features = touched[0]
        self._weights, self._bias = ([index] for index in touched[1:])
        for chain in (self._weights, self._bias):
            source = made_by.get(chain[0])  # float16 is converted when the network runs
            if source is not None and self._code(source) == _DEQUANTIZE:
                chain.append(_first(source, 1))
        self._logits = _first(operator, 2)
        self._check()

    def _code(self, operator: Table) -> int:
        return self._codes[operator.scalar(0, "I")]

    def _check(self) -> None:
        """Refuse a layer with parts that are also used elsewhere, or are stored in an unsupported way."""
        own, ends = [*self._weights, *self._bias, self._logits, *self._after], [self._weights[-1], self._bias[-1]]
        used = [index for operator in self._operators for index in operator.integers(1, "i")]
        stored = [tensor.scalar(_BUFFER, "I") for tensor in self._tensors]
        constants = [stored[index] for index in ends]
        alone = all(used.count(index) <= 1 for index in own) and all(stored.count(index) == 1 for index in constants)
        types = tuple(_TYPES.get(self._tensors[index].scalar(1, "b"), "") for index in ends)
        shapes = [self._tensors[index].integers(_SHAPE, "i") for index in ends]
        fits = (
            len(shapes[0]) == 2
            and shapes[1] == shapes[0][:1]
            and min(shapes[0]) > 0
            and types[1] in _STORED.get(types[0], ())
        )
        sizes = [np.dtype(kind).itemsize * prod(shape) for kind, shape in zip(types, shapes)] if fits else []
        if not alone or [self._buffers[index].size(0) for index in constants] != sizes:
            raise ModelError(_UNKNOWN)

    def layer(self) -> LastLayer:
        weights, bias = self._tensors[self._weights[-1]], self._tensors[self._bias[-1]]
        features, logits = (read_tensor_info(self._tensors[index]) for index in (self._features, self._logits))
        dtype = _TYPES[weights.scalar(1, "b")]
        table = weights.table(_QUANTIZATION)
        scales = table.numbers(2, "f") if table is not None and dtype == "int8" else ()
        values, added = self._values(weights), self._values(bias)
        if dtype == "int8":
            if len(scales) not in (1, len(values)) or not all(0 < scale < np.inf for scale in scales):
                raise ModelError(_UNKNOWN)
            values = values * np.array(scales)[:, np.newaxis]
        is_int8 = _TYPES[bias.scalar(1, "b")] == "int32"
        if {features.dtype, logits.dtype} != {"int8" if is_int8 else "float32"}:
            raise ModelError(_UNKNOWN)
        if is_int8:
            added = added * features.scale * np.array(scales)
            if not 0 < features.scale < np.inf or not 0 < logits.scale < np.inf:
                raise ModelError(_UNKNOWN)
        if not (np.isfinite(values).all() and np.isfinite(added).all()):
            raise ModelError("The last layer has weights that are not finite.")
        scale = features.scale if is_int8 else 0.0
        return LastLayer(values, added, dtype, scales, scale, (logits.scale, logits.zero_point))

    def _values(self, tensor: Table) -> Floats:
        data = self._buffers[tensor.scalar(_BUFFER, "I")].content(0)
        values = np.frombuffer(data, np.dtype(_TYPES[tensor.scalar(1, "b")]).newbyteorder("<"))
        return values.astype(np.float64).reshape(tensor.integers(_SHAPE, "i"))

    def replaced(self, new: Quantized, name: str) -> bytes:
        appending, classes = Appending(self._network), len(new.bias)
        for index in self._weights:
            appending.vector(self._tensors[index].offset_position(_SHAPE), "i", new.weights.shape)
        for index in self._bias:
            appending.vector(self._tensors[index].offset_position(_SHAPE), "i", [classes])
        for index in (self._logits, *self._after):
            for field in (_SHAPE, _DYNAMIC_SHAPE):
                if shape := self._tensors[index].integers(field, "i"):
                    appending.vector(self._tensors[index].offset_position(field), "i", [*shape[:-1], classes])
        for index, values in ((self._weights[-1], new.weights), (self._bias[-1], new.bias)):
            tensor = self._tensors[index]
            buffer, kind = self._buffers[tensor.scalar(_BUFFER, "I")], np.dtype(_TYPES[tensor.scalar(1, "b")])
            appending.vector(buffer.offset_position(0), "B", values.astype(kind.newbyteorder("<")).tobytes())
        for index, scales, zero in self._quantizations(new):
            position = self._tensors[index].offset_position(_QUANTIZATION)
            appending.quantization(position, scales, [zero] * len(scales))
        for entry in self._model.tables(_METADATA):
            if entry.text(0) == "TFLITE_METADATA" and (index := entry.scalar(1, "I")) < len(self._buffers):
                metadata = renamed(self._buffers[index].content(0), name)
                appending.vector(self._buffers[index].offset_position(0), "B", metadata)
        return appending.content()

    def _quantizations(self, new: Quantized) -> Iterator[tuple[int, tuple[float, ...], int]]:
        if new.scales:
            yield self._weights[-1], new.scales, 0
        if new.output[0]:
            yield self._logits, new.output[:1], new.output[1]
            scale = read_tensor_info(self._tensors[self._features]).scale
            yield self._bias[-1], tuple(scale * each for each in new.scales), 0


def _first(operator: Table, field: int) -> int:
    """Return the number of an operator's first input (field 1) or output (2); -1 if it has none."""
    return next(iter(operator.integers(field, "i")), -1)


def _why(code: int) -> str:
    """Return why a network with this ending cannot be taught."""
    if code == _CUSTOM:
        return "Compiled for the Edge TPU, which shows no features. Teach the file that it was compiled from."
    ends = {_LOGISTIC: "a sigmoid", _CONV: "a convolution"}.get(code)
    ends = f"Ends with {ends}" if ends else "Does not end with a dense layer and a softmax"
    return (
        f"{ends}, so it cannot be taught. Begin from a network that can: "
        "edgeclf export --pretrained efficientnet-lite0 -o base.tflite"
    )
