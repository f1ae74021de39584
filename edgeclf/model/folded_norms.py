"""Compute a network with fixed batch norm statistics faster: each batch norm as part of the convolution before it.

Batch norm with fixed statistics multiplies each channel by ``gamma / sqrt(variance + epsilon)`` and adds a constant.
Multiplying the kernel instead gives the same function, and by the chain rule the same gradients of kernel, gamma and
beta (folding: Jacob et al., CVPR 2018), without reading and writing each feature map once more in both directions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgeclf.frameworks import keras, tensorflow

__all__ = ["folded_norms"]


def folded_norms(model: Any, output: Any) -> Callable[[Any], Any]:
    """Return a function that computes an output of a network from a batch of images, like inference of the network.

    It reads the network's variables when it is called. Batch norms that do not follow a convolution, or whose
    convolution has other uses, are computed as they are.

    Args:
        model: a flat functional tf_keras network.
        output: one of its layers' outputs.
    """
    layers = _needed(model, output)
    folded = _norms_by_convolution(layers)
    norms = {id(norm) for norm in folded.values()}

    def compute(images: Any) -> Any:
        values = {id(model.input): images}
        for layer in layers:
            given = tensorflow().nest.map_structure(lambda tensor: values[id(tensor)], layer.input)
            if id(layer) in norms:
                value = given
            elif id(layer) in folded:
                value = _convolved(layer, folded[id(layer)], given)
            else:
                value = layer(given, training=False)
            values[id(layer.output)] = value
        return values[id(output)]

    return compute


def _needed(model: Any, output: Any) -> list[Any]:
    """Return the layers up to the output, in the order they run."""
    part = keras().Model(model.input, output)
    return [layer for layer in part.layers if not isinstance(layer, keras().layers.InputLayer)]


def _norms_by_convolution(layers: list[Any]) -> dict[int, Any]:
    """Return the batch norm to fold into each convolution, by the convolution's id."""
    kinds = keras().layers
    makers = {id(layer.output): layer for layer in layers}
    uses: dict[int, int] = {}
    for layer in layers:
        for tensor in tensorflow().nest.flatten(layer.input):
            uses[id(tensor)] = uses.get(id(tensor), 0) + 1
    folded = {}
    for norm in layers:
        before = makers.get(id(norm.input)) if type(norm) is kinds.BatchNormalization else None
        if before is not None and uses[id(norm.input)] == 1 and _is_plain(before) and list(norm.axis) == [3]:
            folded[id(before)] = norm
    return folded


def _is_plain(layer: Any) -> bool:
    """Whether a layer is a convolution of an image without an activation, and nothing else."""
    kinds = keras().layers
    linear = getattr(layer, "activation", None) is keras().activations.linear
    if type(layer) is kinds.DepthwiseConv2D:
        return linear and layer.data_format == "channels_last"
    return type(layer) is kinds.Conv2D and linear and layer.groups == 1 and layer.data_format == "channels_last"


def _convolved(layer: Any, norm: Any, images: Any) -> Any:
    """Return the output of the batch norm after a convolution."""
    tf = tensorflow()
    scale = tf.math.rsqrt(norm.moving_variance + norm.epsilon)
    scale = scale * norm.gamma if norm.scale else scale
    mean = norm.moving_mean - layer.bias if layer.use_bias else norm.moving_mean
    shift = (norm.beta if norm.center else 0.0) - mean * scale
    images, padding = tf.cast(images, layer.compute_dtype), layer.padding.upper()
    if isinstance(layer, keras().layers.DepthwiseConv2D):
        kernel = layer.depthwise_kernel * tf.reshape(scale, layer.depthwise_kernel.shape[2:])
        strides = (1, *layer.strides, 1)
        maps = tf.nn.depthwise_conv2d(
            images, tf.cast(kernel, images.dtype), strides, padding, dilations=layer.dilation_rate
        )
    else:
        kernel = tf.cast(layer.kernel * scale, images.dtype)
        maps = tf.nn.conv2d(images, kernel, layer.strides, padding, dilations=layer.dilation_rate)
    return tf.nn.bias_add(maps, tf.cast(shift, images.dtype))
