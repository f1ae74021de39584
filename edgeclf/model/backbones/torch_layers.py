"""Convolutions and batch norm computed as in PyTorch, and named after the tensors of a PyTorch checkpoint.

A layer's name is its module's, with ``_`` for dots; ``timm_weights.fill`` finds its tensors by it.
"""

from __future__ import annotations

from typing import Any

from edgeclf.frameworks import keras

__all__ = ["affine", "conv", "depthwise", "norm", "pool", "relu"]

_BN_EPSILON = 1e-5
_BN_MOMENTUM = 0.9  # PyTorch's 0.1


def conv(x: Any, filters: int, kernel: int, stride: int, name: str) -> Any:
    """Return the convolution of a feature map, without bias."""
    x, padding = _padded(x, kernel, stride, name)
    return keras().layers.Conv2D(filters, kernel, stride, padding=padding, use_bias=False, name=name)(x)


def depthwise(x: Any, kernel: int, stride: int, name: str) -> Any:
    """Return the depthwise convolution of a feature map, without bias."""
    x, padding = _padded(x, kernel, stride, name)
    return keras().layers.DepthwiseConv2D(kernel, stride, padding=padding, use_bias=False, name=name)(x)


def norm(x: Any, name: str, *, activate: bool) -> Any:
    """Return batch norm, rectified if ``activate``."""
    x = keras().layers.BatchNormalization(momentum=_BN_MOMENTUM, epsilon=_BN_EPSILON, name=name)(x)
    return relu(x, name) if activate else x


def relu(x: Any, name: str) -> Any:
    """Return the rectified output of the layer of this name."""
    return keras().layers.ReLU(name=f"{name}_relu")(x)


def affine(x: Any, name: str) -> Any:
    """Return ``scale * x + bias``; a checkpoint has one pair of numbers, this layer one pair per channel.

    It is a depthwise 1x1 convolution, which integer networks support.
    """
    return keras().layers.DepthwiseConv2D(1, depthwise_initializer="ones", name=name)(x)


def pool(x: Any) -> Any:
    """Return a feature map's average as a 1x1 map, for networks with a convolution after it."""
    return keras().layers.GlobalAveragePooling2D(keepdims=True, name="global_pool")(x)


def _padded(x: Any, kernel: int, stride: int, name: str) -> tuple[Any, str]:
    """Return what to call the layer on, and its padding.

    PyTorch pads all sides alike. With a stride, TensorFlow's "same" pads an even size only on the right and below, so
    that the layer would see other pixels.
    """
    if stride == 1 or kernel == 1:
        return x, "same"
    return keras().layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x), "valid"
