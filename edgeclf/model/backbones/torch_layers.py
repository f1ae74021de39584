"""Convolutions with batch norm as PyTorch computes them, named like the tensors of a PyTorch checkpoint.

A layer's name is that of its module, with ``_`` for the dots, by which ``timm_weights.fill`` finds its tensors.
"""

from __future__ import annotations

from typing import Any

from edgeclf.frameworks import keras

__all__ = ["affine", "conv", "depthwise", "norm", "pool", "relu"]

_BN_EPSILON = 1e-5
_BN_MOMENTUM = 0.9  # PyTorch's 0.1


def conv(x: Any, filters: int, kernel: int, stride: int, name: str) -> Any:
    """Return a convolution without bias of a feature map."""
    x, padding = _padded(x, kernel, stride, name)
    return keras().layers.Conv2D(filters, kernel, stride, padding=padding, use_bias=False, name=name)(x)


def depthwise(x: Any, kernel: int, stride: int, name: str) -> Any:
    """Return a depthwise convolution without bias."""
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
    """Return ``scale * x + bias``, of which a checkpoint has one pair of numbers, and this layer a pair a channel.

    It is a depthwise 1x1 convolution, which integer networks have, too.
    """
    return keras().layers.DepthwiseConv2D(1, depthwise_initializer="ones", name=name)(x)


def pool(x: Any) -> Any:
    """Return a map's average as a map of 1x1, for networks that have a convolution after it."""
    return keras().layers.GlobalAveragePooling2D(keepdims=True, name="global_pool")(x)


def _padded(x: Any, kernel: int, stride: int, name: str) -> tuple[Any, str]:
    """Return what the layer is called on, and its padding.

    PyTorch pads all sides alike. With a stride, TensorFlow's "same" pads an even size on the right and below only, and
    so sees other pixels.
    """
    if stride == 1 or kernel == 1:
        return x, "same"
    return keras().layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x), "valid"
