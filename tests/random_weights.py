"""Files of random weights for the backbones whose weights the user provides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeclf.model.backbones.registry import BACKBONES
from edgeclf.model.backbones.timm_weights import expected_tensors

__all__ = ["write_random_weights"]

_BATCHES = 8
_TO_FILE = {"Conv2D": (3, 2, 0, 1), "DepthwiseConv2D": (2, 3, 0, 1)}


def write_random_weights(name: str, pixels: npt.NDArray[np.uint8], path: Path) -> Path:
    """Write random weights with batch norm's statistics of images, so that features differ from image to image.

    Args:
        name: a backbone that needs weights.
        pixels: uint8 RGB ``[images, height, width, 3]``.
        path: the ``.safetensors`` file.
    """
    from safetensors.numpy import save_file

    entry, rng = BACKBONES[name], np.random.default_rng(0)
    model = entry.build(name, None)
    for layer in model.layers:
        _randomize(layer, rng)
    images = (pixels.astype(np.float32) - entry.mean) / np.float32(entry.std)
    for _ in range(_BATCHES):
        model(images[rng.permutation(len(images))[:16]].astype(np.float32), training=True)
    shapes = expected_tensors(model)
    made = {key: rng.normal(0, 0.02, shape).astype(np.float32) for key, shape in shapes.items()}
    for layer in model.layers:
        keys = [key for key in shapes if key.rpartition(".")[0] == layer.name]
        made |= {key: _in_file(layer, value.numpy()) for key, value in zip(keys, layer.weights, strict=True)}
    save_file(made, path)
    return path


def _randomize(layer: Any, rng: np.random.Generator) -> None:
    """Give a norm or an affine layer random scales and shifts; an affine layer has one number for each."""
    kind = type(layer).__name__
    if kind == "BatchNormalization":
        layer.momentum = 0.5  # so that a few batches are enough
        scale, shift, *statistics = layer.get_weights()
        layer.set_weights([rng.uniform(0.5, 1.5, scale.shape), rng.normal(0, 0.2, shift.shape), *statistics])
    elif kind == "DepthwiseConv2D" and layer.use_bias:
        scale, shift = layer.get_weights()
        layer.set_weights([np.full_like(scale, rng.uniform(0.5, 1.5)), np.full_like(shift, rng.normal(0, 0.2))])


def _in_file(layer: Any, value: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    kind = type(layer).__name__
    if kind in _TO_FILE and layer.use_bias:
        return value.reshape(-1)[:1].copy()
    return np.ascontiguousarray(value.transpose(_TO_FILE[kind]) if kind in _TO_FILE and value.ndim == 4 else value)
