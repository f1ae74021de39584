"""PP-HGNetV2-B0 (PaddleClas, 2023), robust to unusual images, as timm's ``hgnetv2_b0``.

A block runs a chain of convolutions and joins all their outputs with two 1x1 convolutions. Late blocks are light: each
of their convolutions is a 1x1 and a depthwise one. Each ReLU is followed by ``scale * x + bias`` with two learned
numbers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edgeclf.frameworks import keras
from edgeclf.model.backbones.timm_weights import Tensors, UnfitError, load_timm
from edgeclf.model.backbones.torch_layers import affine, conv, depthwise, norm, pool, relu

__all__ = ["build_hgnetv2", "load_hgnetv2", "with_scales_moved"]

_LAYERS = 3  # convolutions of a block
_FEATURES = 2048


class Stage(NamedTuple):
    """Blocks of one size; in all stages but the first, a depthwise convolution of stride 2 precedes them."""

    middle: int
    filters: int
    blocks: int
    light: bool
    kernel: int


_STEM = 16
_STAGES = (
    Stage(16, 64, 1, False, 3),
    Stage(32, 256, 1, False, 3),
    Stage(64, 512, 2, True, 5),
    Stage(128, 1024, 1, True, 5),
)


_AFTER_ADDITION = [
    f"stages_{row}_blocks_{number}_aggregation_1_lab"
    for row, stage in enumerate(_STAGES)
    for number in range(1, stage.blocks)
]


def build_hgnetv2(name: str, size: int | None) -> Any:
    """Build the network without its classifier, with random weights.

    Args:
        name: the backbone's name.
        size: height and width of the input in pixels, or None to leave them open.

    Returns:
        a tf_keras model from normalized RGB ``[batch, size, size, 3]`` to ``[batch, 1, 1, 2048]``: its last convolution
        comes after the pooling.
    """
    image = keras().layers.Input((size, size, 3), name="image")
    x = _stem(image)
    for row, stage in enumerate(_STAGES):
        name_of_stage = f"stages_{row}"
        if row > 0:
            x = depthwise(x, 3, 2, f"{name_of_stage}_downsample_conv")
            x = norm(x, f"{name_of_stage}_downsample_bn", activate=False)
        for number in range(stage.blocks):
            x = _block(x, stage, number > 0, f"{name_of_stage}_blocks_{number}")
    x = relu(conv(pool(x), _FEATURES, 1, 1, "head_last_conv_0"), "head_last_conv_0")
    x = affine(x, "head_last_conv_2")
    return keras().Model(image, x, name=name.replace("-", "_"))


def load_hgnetv2(model: Any, name: str, repository: str, weights: Path | None) -> tuple[Any, Any]:
    """Fill the network from a weights file and return its ImageNet classifier; see ``load_timm``."""
    return load_timm(model, name, repository, weights, with_scales_moved)


def with_scales_moved(tensors: Tensors) -> Tensors:
    """Move the scale of the affine layer at the end of residual blocks into the norm before its ReLU.

    ``scale * relu(x) + bias + input`` is computed as ``(relu(scale * x) + input) + bias``: TensorFlow's graph optimizer
    fails at a depthwise convolution with a bias right before an addition.

    Raises:
        UnfitError: a scale is not positive, and so cannot be moved.
    """
    moved = dict(tensors)
    for lab in _AFTER_ADDITION:
        scale = moved[f"{lab}.scale"]
        if scale[0] <= 0:
            raise UnfitError(f"its {lab}.scale is not above 0")
        for part in ("weight", "bias"):
            key = f"{lab.removesuffix('lab')}bn.{part}"
            moved[key] = moved[key] * scale
        moved[f"{lab}.scale"] = np.ones_like(scale)
    return moved


def _conv(x: Any, filters: int, kernel: int, stride: int, name: str) -> Any:
    return _activated(conv(x, filters, kernel, stride, f"{name}_conv"), name)


def _activated(x: Any, name: str) -> Any:
    return affine(norm(x, f"{name}_bn", activate=True), f"{name}_lab")


def _stem(image: Any) -> Any:
    layers = keras().layers
    x = _conv(image, _STEM, 3, 2, "stem_stem1")
    # Kernels of 2 see a row and a column of zeros on the right and below, as TensorFlow's "same" gives them; but its
    # pooling leaves the padding out, where the zeros may be the largest.
    y = _conv(_conv(x, _STEM // 2, 2, 1, "stem_stem2a"), _STEM, 2, 1, "stem_stem2b")
    x = layers.MaxPooling2D(2, 1, name="stem_pool")(layers.ZeroPadding2D(((0, 1), (0, 1)), name="stem_pool_pad")(x))
    x = _conv(layers.Concatenate(name="stem_joined")([x, y]), _STEM, 3, 2, "stem_stem3")
    return _conv(x, _STEM, 1, 1, "stem_stem4")


def _block(x: Any, stage: Stage, residual: bool, name: str) -> Any:
    outputs = [x]
    for number in range(_LAYERS):
        make = _light if stage.light else _full
        outputs.append(make(outputs[-1], stage, f"{name}_layers_{number}"))
    y = keras().layers.Concatenate(name=f"{name}_joined")(outputs)
    y = _conv(y, stage.filters // 2, 1, 1, f"{name}_aggregation_0")
    if not residual:
        return _conv(y, stage.filters, 1, 1, f"{name}_aggregation_1")
    y = norm(conv(y, stage.filters, 1, 1, f"{name}_aggregation_1_conv"), f"{name}_aggregation_1_bn", activate=True)
    return affine(keras().layers.Add(name=f"{name}_add")([x, y]), f"{name}_aggregation_1_lab")


def _full(x: Any, stage: Stage, name: str) -> Any:
    return _conv(x, stage.middle, stage.kernel, 1, name)


def _light(x: Any, stage: Stage, name: str) -> Any:
    x = norm(conv(x, stage.middle, 1, 1, f"{name}_conv1_conv"), f"{name}_conv1_bn", activate=False)
    return _activated(depthwise(x, stage.kernel, 1, f"{name}_conv2_conv"), f"{name}_conv2")
