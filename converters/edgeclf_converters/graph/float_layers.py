"""Rebuild each operator of a float TensorFlow Lite file with tf_keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgeclf_converters.errors import ConversionError
from edgeclf_converters.frameworks import keras, tensorflow
from edgeclf_converters.graph.float_building import Building
from edgeclf_converters.graph.float_file import Operator

__all__ = ["BUILDERS"]

_PADDING = ("same", "valid")
_LOWEST = -1e30


def _conv(b: Building, op: Operator) -> Any:
    kernel, bias = b.weights(op)
    image = b.value(op, 0)
    layer = keras().layers.Conv2D(
        kernel.shape[0],
        kernel.shape[1:3],
        (op.option(2, "i", 1), op.option(1, "i", 1)),
        _PADDING[op.option(0)],
        dilation_rate=(op.option(5, "i", 1), op.option(4, "i", 1)),
        groups=image.shape[-1] // kernel.shape[3],
        use_bias=bias is not None,
        name=b.named(op),
    )
    return _weighted(b, op, layer, kernel.transpose(1, 2, 3, 0), bias, 3)


def _depthwise(b: Building, op: Operator) -> Any:
    kernel, bias = b.weights(op)
    channels = b.value(op, 0).shape[-1]
    layer = keras().layers.DepthwiseConv2D(
        kernel.shape[1:3],
        (op.option(2, "i", 1), op.option(1, "i", 1)),
        _PADDING[op.option(0)],
        depth_multiplier=kernel.shape[3] // channels,
        dilation_rate=(op.option(6, "i", 1), op.option(5, "i", 1)),
        use_bias=bias is not None,
        name=b.named(op),
    )
    return _weighted(b, op, layer, kernel[0].reshape(*kernel.shape[1:3], channels, -1), bias, 4)


def _dense(b: Building, op: Operator) -> Any:
    kernel, bias = b.weights(op)
    layer = keras().layers.Dense(kernel.shape[0], use_bias=bias is not None, name=b.named(op))
    return _weighted(b, op, layer, kernel.T, bias, 0)


def _weighted(b: Building, op: Operator, layer: Any, kernel: Any, bias: Any, activation: int) -> Any:
    """Call a layer and set its weights."""
    made = layer(b.value(op, 0))
    layer.set_weights([kernel] if bias is None else [kernel, bias])
    return b.activated(made, op, activation)


def _pool(name: str) -> Callable[[Building, Operator], Any]:
    def build(b: Building, op: Operator) -> Any:
        size, strides = (op.option(4, "i"), op.option(3, "i")), (op.option(2, "i"), op.option(1, "i"))
        layer = getattr(keras().layers, name)(size, strides, _PADDING[op.option(0)], name=b.named(op))
        return b.activated(layer(b.value(op, 0)), op, 5)

    return build


def _binary(name: str, layer: str = "", activation: int | None = None) -> Callable[[Building, Operator], Any]:
    """Build a function of two tensors, or of a tensor and a constant; a layer if two tensors have equal rank."""

    def build(b: Building, op: Operator) -> Any:
        first, second = b.value(op, 0), b.value(op, 1)
        arrays = any(isinstance(value, np.ndarray) for value in (first, second))
        if layer and not arrays and _same(first.shape, second.shape, layer):
            made = getattr(keras().layers, layer)(name=b.named(op))([first, second])
        else:
            made = getattr(tensorflow().math, name)(first, second)
        return made if activation is None else b.activated(made, op, activation)

    return build


def _same(first: Any, second: Any, layer: str) -> bool:
    return len(first) == len(second) and (layer == "Multiply" or list(first) == list(second))


def _unary(call: Callable[[Any, Any], Any]) -> Callable[[Building, Operator], Any]:
    """Build a TensorFlow function of one tensor."""
    return lambda b, op: call(tensorflow(), b.value(op, 0))


def _relu(cap: float | None) -> Callable[[Building, Operator], Any]:
    return lambda b, op: keras().layers.ReLU(cap, name=b.named(op))(b.value(op, 0))


def _clip(low: float, high: float) -> Callable[[Building, Operator], Any]:
    return _unary(lambda tf, x: tf.minimum(tf.maximum(x, low), high))


def _activation(name: str) -> Callable[[Building, Operator], Any]:
    return lambda b, op: keras().layers.Activation(name, name=b.named(op))(b.value(op, 0))


def _softmax(b: Building, op: Operator) -> Any:
    return keras().layers.Softmax(name=b.named(op))(b.value(op, 0))


def _gelu(b: Building, op: Operator) -> Any:
    return tensorflow().nn.gelu(b.value(op, 0), approximate=bool(op.option(0)))


def _concatenate(b: Building, op: Operator) -> Any:
    tensors = [b.value(op, number) for number in range(len(op.inputs))]
    return b.activated(keras().layers.Concatenate(op.option(0, "i"), name=b.named(op))(tensors), op, 1)


def _mean(b: Building, op: Operator) -> Any:
    image, axes, keep = b.value(op, 0), b.constant(op, 1).reshape(-1).tolist(), bool(op.option(0))
    if sorted(axes) == [1, 2] and len(image.shape) == 4:
        return keras().layers.GlobalAveragePooling2D(keepdims=keep, name=b.named(op))(image)
    return tensorflow().reduce_mean(image, axes, keepdims=keep)


def _sum(b: Building, op: Operator) -> Any:
    axes = b.constant(op, 1).reshape(-1).tolist()
    return tensorflow().reduce_sum(b.value(op, 0), axes, keepdims=bool(op.option(0)))


def _pad(b: Building, op: Operator) -> Any:
    image, sides = b.value(op, 0), b.constant(op, 1).tolist()
    value = float(b.constant(op, 2).reshape(())) if len(op.inputs) > 2 else 0.0
    if value < _LOWEST:  # before a max pooling: in integers, no other values could be told apart next to it
        if type(image._keras_history.layer).__name__ != "ReLU":
            return tensorflow().pad(image, sides, "SYMMETRIC")  # only repeats what the window contains
        value = 0.0
    if len(sides) == 4 and value == 0 and not any(sides[0] + sides[3]):
        return keras().layers.ZeroPadding2D((sides[1], sides[2]), name=b.named(op))(image)
    return tensorflow().pad(image, sides, constant_values=value)


def _reshape(b: Building, op: Operator) -> Any:
    tensor = b.value(op, 0)
    shape = b.shape(op)
    return tensor if tuple(tensor.shape[1:]) == shape else keras().layers.Reshape(shape, name=b.named(op))(tensor)


def _transpose(b: Building, op: Operator) -> Any:
    return tensorflow().transpose(b.value(op, 0), b.constant(op, 1).tolist())


def _matmul(b: Building, op: Operator) -> Any:
    return tensorflow().matmul(
        b.value(op, 0), b.value(op, 1), transpose_a=bool(op.option(0)), transpose_b=bool(op.option(1))
    )


def _split(b: Building, op: Operator) -> Any:
    return list(tensorflow().split(b.value(op, 1), op.option(0, "i"), int(b.constant(op, 0).reshape(()))))


def _slice(b: Building, op: Operator) -> Any:
    """Slice all axes but the batch, whose size is open."""
    begin, size = b.constant(op, 1).tolist(), b.constant(op, 2).tolist()
    ends = [None if length < 0 else start + length for start, length in zip(begin, size, strict=True)]
    return b.value(op, 0)[(slice(None), *(slice(i, j) for i, j in zip(begin[1:], ends[1:], strict=True)))]


def _strided_slice(b: Building, op: Operator) -> Any:
    begin, end, step = (b.constant(op, number).tolist() for number in (1, 2, 3))
    if any(op.option(field, "i") for field in (2, 3, 4)):
        raise ConversionError(f"Layer {op.name!r}: STRIDED_SLICE that changes the number of axes is not supported.")
    open_begin, open_end = op.option(0, "i"), op.option(1, "i")
    axes = [
        slice(None if open_begin >> i & 1 else begin[i], None if open_end >> i & 1 else end[i], step[i])
        for i in range(1, len(begin))
    ]
    return b.value(op, 0)[(slice(None), *axes)]


BUILDERS: dict[str, Callable[[Building, Operator], Any]] = {
    "ADD": _binary("add", "Add", 0),
    "AVERAGE_POOL_2D": _pool("AveragePooling2D"),
    "BATCH_MATMUL": _matmul,
    "CONCATENATION": _concatenate,
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "DIV": _binary("divide", activation=0),
    "EXPAND_DIMS": _reshape,
    "FULLY_CONNECTED": _dense,
    "GELU": _gelu,
    "HARD_SWISH": _unary(lambda tf, x: x * tf.nn.relu6(x + 3.0) * (1 / 6)),
    "LOGISTIC": _activation("sigmoid"),
    "MAXIMUM": _binary("maximum"),
    "MAX_POOL_2D": _pool("MaxPooling2D"),
    "MEAN": _mean,
    "MINIMUM": _binary("minimum"),
    "MUL": _binary("multiply", "Multiply", 0),
    "PAD": _pad,
    "PADV2": _pad,
    "POW": _binary("pow"),
    "RELU": _relu(None),
    "RELU6": _relu(6.0),
    "RELU_0_TO_1": _clip(0.0, 1.0),
    "RELU_N1_TO_1": _clip(-1.0, 1.0),
    "RESHAPE": _reshape,
    "RSQRT": _unary(lambda tf, x: tf.math.rsqrt(x)),
    "SLICE": _slice,
    "SOFTMAX": _softmax,
    "SPLIT": _split,
    "SQRT": _unary(lambda tf, x: tf.sqrt(x)),
    "SQUARE": _unary(lambda tf, x: tf.square(x)),
    "SQUARED_DIFFERENCE": _binary("squared_difference"),
    "SQUEEZE": _reshape,
    "STRIDED_SLICE": _strided_slice,
    "SUB": _binary("subtract", activation=0),
    "SUM": _sum,
    "TANH": _activation("tanh"),
    "TRANSPOSE": _transpose,
}
"""By the operator's name, a function that returns the tensor that it makes, or a list of them."""
