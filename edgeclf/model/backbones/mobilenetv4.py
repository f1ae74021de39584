"""MobileNetV4-Conv-S (Qin et al., ECCV 2024), fast on a CPU, as timm's ``mobilenetv4_conv_small``.

Its blocks are convolutions and universal inverted bottlenecks: a 1x1 expansion and a 1x1 projection, with a depthwise
convolution before the expansion, after it, or both.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from edgeclf.frameworks import keras
from edgeclf.model.backbones.torch_layers import conv, depthwise, norm, pool

__all__ = ["build_mobilenetv4"]


class Conv(NamedTuple):
    """A convolution with batch norm and ReLU."""

    kernel: int
    stride: int
    filters: int


class Bottleneck(NamedTuple):
    """A universal inverted bottleneck.

    Attributes:
        start, middle: kernels of the depthwise convolutions before and after the expansion; 0 for none.
        stride: stride of the second of these.
    """

    start: int
    middle: int
    stride: int
    expansion: int
    filters: int


_STAGES: tuple[tuple[Conv | Bottleneck, ...], ...] = (
    (Conv(3, 2, 32), Conv(1, 1, 32)),
    (Conv(3, 2, 96), Conv(1, 1, 64)),
    (Bottleneck(5, 5, 2, 3, 96), *[Bottleneck(0, 3, 1, 2, 96)] * 4, Bottleneck(3, 0, 1, 4, 96)),
    (
        Bottleneck(3, 3, 2, 6, 128),
        Bottleneck(5, 5, 1, 4, 128),
        Bottleneck(0, 5, 1, 4, 128),
        Bottleneck(0, 5, 1, 3, 128),
        *[Bottleneck(0, 3, 1, 4, 128)] * 2,
    ),
    (Conv(1, 1, 960),),
)


def build_mobilenetv4(name: str, size: int | None) -> Any:
    """Build the network without its classifier, with random weights.

    Args:
        name: the backbone's name.
        size: height and width of the input in pixels, or None to leave them open.

    Returns:
        a tf_keras model from normalized RGB ``[batch, size, size, 3]`` to ``[batch, 1, 1, 1280]``: its last convolution
        comes after the pooling.
    """
    image = keras().layers.Input((size, size, 3), name="image")
    x = norm(conv(image, 32, 3, 2, "conv_stem"), "bn1", activate=True)
    for row, blocks in enumerate(_STAGES):
        for number, block in enumerate(blocks):
            build = _conv if isinstance(block, Conv) else _bottleneck
            x = build(x, block, f"blocks_{row}_{number}")
    x = norm(conv(pool(x), 1280, 1, 1, "conv_head"), "norm_head", activate=True)
    return keras().Model(image, x, name=name.replace("-", "_"))


def _conv(x: Any, block: Any, name: str) -> Any:
    return norm(conv(x, block.filters, block.kernel, block.stride, f"{name}_conv"), f"{name}_bn1", activate=True)


def _bottleneck(x: Any, block: Any, name: str) -> Any:
    width, y = x.shape[-1], x
    if block.start:
        y = norm(depthwise(y, block.start, 1, f"{name}_dw_start_conv"), f"{name}_dw_start_bn", activate=False)
    y = norm(conv(y, width * block.expansion, 1, 1, f"{name}_pw_exp_conv"), f"{name}_pw_exp_bn", activate=True)
    if block.middle:
        y = depthwise(y, block.middle, block.stride, f"{name}_dw_mid_conv")
        y = norm(y, f"{name}_dw_mid_bn", activate=True)
    y = norm(conv(y, block.filters, 1, 1, f"{name}_pw_proj_conv"), f"{name}_pw_proj_bn", activate=False)
    return keras().layers.Add(name=f"{name}_add")([x, y]) if block.stride == 1 and width == block.filters else y
