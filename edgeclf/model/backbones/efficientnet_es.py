"""EfficientNet-EdgeTPU-S (Gupta & Akin, 2019), made for the Edge TPU, as timm's ``efficientnet_es``.

Its early blocks expand with a full convolution instead of a depthwise one, which such hardware computes faster. No
squeeze-and-excitation; ReLU instead of swish.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from edgeclf.frameworks import keras
from edgeclf.model.backbones.torch_layers import conv, depthwise, norm

__all__ = ["build_es"]


class Stage(NamedTuple):
    """A sequence of blocks; only the first has a stride and changes the width.

    Attributes:
        fused: whether a full convolution expands, instead of a 1x1 and a depthwise one.
        expanded: number of channels between expansion and projection, as a multiple of the block's input.
    """

    fused: bool
    repeats: int
    kernel: int
    stride: int
    expanded: int
    filters: int


_STAGES = (
    Stage(True, 1, 3, 1, 3, 24),  # 96 channels: four times its output, unlike the others
    Stage(True, 2, 3, 2, 8, 32),
    Stage(True, 4, 3, 2, 8, 48),
    Stage(False, 5, 5, 2, 8, 96),
    Stage(False, 4, 5, 1, 8, 144),
    Stage(False, 2, 5, 2, 8, 192),
)


def build_es(name: str, size: int | None) -> Any:
    """Build the network without its classifier, with random weights.

    Args:
        name: the backbone's name.
        size: height and width of the input in pixels, or None to leave them open.

    Returns:
        a tf_keras model from normalized RGB ``[batch, size, size, 3]`` to ``[batch, size/32, size/32, 1280]``.
    """
    image = keras().layers.Input((size, size, 3), name="image")
    x = norm(conv(image, 32, 3, 2, "conv_stem"), "bn1", activate=True)
    for row, stage in enumerate(_STAGES):
        for repeat in range(stage.repeats):
            x = _block(x, stage, stage.stride if repeat == 0 else 1, f"blocks_{row}_{repeat}")
    x = norm(conv(x, 1280, 1, 1, "conv_head"), "bn2", activate=True)
    return keras().Model(image, x, name=name.replace("-", "_"))


def _block(x: Any, stage: Stage, stride: int, name: str) -> Any:
    width = x.shape[-1]
    wide, y = width * stage.expanded, x
    if stage.fused:
        y = norm(conv(y, wide, stage.kernel, stride, f"{name}_conv_exp"), f"{name}_bn1", activate=True)
        last = "bn2"
    else:
        y = norm(conv(y, wide, 1, 1, f"{name}_conv_pw"), f"{name}_bn1", activate=True)
        y = norm(depthwise(y, stage.kernel, stride, f"{name}_conv_dw"), f"{name}_bn2", activate=True)
        last = "bn3"
    y = norm(conv(y, stage.filters, 1, 1, f"{name}_conv_pwl"), f"{name}_{last}", activate=False)
    return keras().layers.Add(name=f"{name}_add")([x, y]) if stride == 1 and width == stage.filters else y
