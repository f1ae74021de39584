"""RandAugment on a whole batch at once, as a pure function of the seed (Cubuk et al., NeurIPS 2020).

Every image gets two operations drawn from the list. As images in a batch get different ones, all colour operations are
computed for the whole batch and each image takes its own; geometric operations are one affine map with a matrix per
image.
"""

from __future__ import annotations

import math
from typing import Any

from edgeclf.frameworks import tensorflow

__all__ = ["OPERATIONS", "rand_augment"]

OPERATIONS = (
    "identity",
    "rotate",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
    "brightness",
    "contrast",
    "colour",
    "sharpness",
    "posterize",
    "solarize",
    "autocontrast",
)
"""Names of the operations, in the order of their numbers."""

_ROUNDS = 2
_HIGHEST = 10.0
_GREY = (0.299, 0.587, 0.114)


def rand_augment(pixels: Any, magnitude: float, seed: Any, part: slice | None = None, count: int = 0) -> Any:
    """Apply two random operations to every image.

    Args:
        pixels: float32 RGB ``[batch, size, size, 3]`` in 0..255.
        magnitude: strength of all operations, 0 to 10.
        seed: int32 ``[2]``.
        part, count: see ``augment``.

    Returns:
        images of the same shape and range.
    """
    tf = tensorflow()
    whole, part, share = count or tf.shape(pixels)[0], part or slice(None), magnitude / _HIGHEST
    for turn in range(_ROUNDS):
        first, second = (seed + tf.constant([turn, number]) for number in (11, 12))
        chosen = tf.random.stateless_uniform([whole], first, 0, len(OPERATIONS), tf.int32)[part]
        sign = tf.where(tf.random.stateless_uniform([whole], second)[part] < 0.5, -1.0, 1.0)
        pixels = _moved(pixels, chosen, sign * share)
        pixels = _recoloured(pixels, chosen, sign * share)
    return pixels


def _moved(pixels: Any, chosen: Any, amount: Any) -> Any:
    """Rotate, shear or shift each image, or leave it; what moves in from outside is grey."""
    tf = tensorflow()

    def when(name: str, value: Any) -> Any:
        return tf.where(chosen == OPERATIONS.index(name), value, tf.zeros_like(amount))

    side = tf.cast(tf.shape(pixels)[1], tf.float32)
    angle = when("rotate", amount * math.radians(30))
    a, b = tf.cos(angle), -tf.sin(angle) + when("shear_x", amount * 0.3)
    c, d = tf.sin(angle) + when("shear_y", amount * 0.3), tf.cos(angle)
    middle, zero = (side - 1) / 2, tf.zeros_like(amount)
    right = middle - a * middle - b * middle + when("translate_x", amount * 0.3 * side)
    down = middle - c * middle - d * middle + when("translate_y", amount * 0.3 * side)
    matrices = tf.stack([a, b, right, c, d, down, zero, zero], axis=1)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=pixels,
        transforms=matrices,
        output_shape=tf.shape(pixels)[1:3],
        fill_value=127.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )


def _recoloured(pixels: Any, chosen: Any, amount: Any) -> Any:
    tf = tensorflow()
    factor, strength = (1 + 0.9 * amount)[:, None, None, None], tf.abs(amount)[:, None, None, None]
    grey = tf.reduce_sum(pixels * tf.constant(_GREY), axis=3, keepdims=True)
    middle = tf.reduce_mean(grey, axis=[1, 2, 3], keepdims=True)
    low = tf.reduce_min(pixels, axis=[1, 2], keepdims=True)
    high = tf.reduce_max(pixels, axis=[1, 2], keepdims=True)
    step = tf.pow(2.0, tf.round(4 * strength))  # 8 to 4 bits per channel
    smooth = tf.nn.avg_pool2d(pixels, 3, 1, "SAME")
    results = {
        "brightness": pixels * factor,
        "contrast": middle + (pixels - middle) * factor,
        "colour": grey + (pixels - grey) * factor,
        "sharpness": smooth + (pixels - smooth) * factor,
        "posterize": tf.floor(pixels / step) * step,
        "solarize": tf.where(pixels < 256 * (1 - strength), pixels, 255 - pixels),
        "autocontrast": (pixels - low) * 255 / tf.maximum(high - low, 1.0),
    }
    for name, result in results.items():
        pixels = tf.where((chosen == OPERATIONS.index(name))[:, None, None, None], result, pixels)
    return tf.clip_by_value(pixels, 0.0, 255.0)
