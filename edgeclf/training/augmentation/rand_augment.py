"""RandAugment on a batch, as a pure function of the seed (Cubuk et al., NeurIPS 2020).

Every image gets two operations drawn from the list. Images are grouped by operation, so that each operation runs only
on its own images.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from edgeclf.frameworks import tensorflow
from edgeclf.training.augmentation.augment import grey

__all__ = ["OPERATIONS", "rand_augment"]

_ROUNDS = 2
_HIGHEST = 10.0


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
        pixels = _changed(pixels, chosen, sign * share)
    return pixels


def _changed(pixels: Any, chosen: Any, amount: Any) -> Any:
    """Apply to each image its operation, with an amount in [-1, 1]."""
    tf, kinds = tensorflow(), len(OPERATIONS)
    groups = zip(tf.dynamic_partition(pixels, chosen, kinds), tf.dynamic_partition(amount, chosen, kinds), strict=True)
    results = [
        tf.clip_by_value(operation(images, amounts), 0.0, 255.0)
        for operation, (images, amounts) in zip(OPERATIONS.values(), groups, strict=True)
    ]
    return tf.dynamic_stitch(tf.dynamic_partition(tf.range(len(chosen)), chosen, kinds), results)


def _moved(
    pixels: Any,
    amount: Any,
    angle: float = 0.0,
    shear: tuple[float, float] = (0, 0),
    shift: tuple[float, float] = (0, 0),
) -> Any:
    """Rotate, shear or shift each image by a share of these radians and of its side; uncovered areas are grey."""
    tf = tensorflow()
    side = tf.cast(tf.shape(pixels)[1], tf.float32)
    turn = amount * angle
    a, b = tf.cos(turn), -tf.sin(turn) + amount * shear[0]
    c, d = tf.sin(turn) + amount * shear[1], tf.cos(turn)
    middle, zero = (side - 1) / 2, tf.zeros_like(amount)
    right = middle - a * middle - b * middle + amount * shift[0] * side
    down = middle - c * middle - d * middle + amount * shift[1] * side
    matrices = tf.stack([a, b, right, c, d, down, zero, zero], axis=1)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=pixels,
        transforms=matrices,
        output_shape=tf.shape(pixels)[1:3],
        fill_value=127.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )


def _toned(change: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return an operation that gets each image's amount in the shape of its pixels."""
    return lambda pixels, amount: change(pixels, amount[:, None, None, None])


def _contrast(pixels: Any, amount: Any) -> Any:
    middle = tensorflow().reduce_mean(grey(pixels), axis=[1, 2, 3], keepdims=True)
    return middle + (pixels - middle) * _factor(amount)


def _colour(pixels: Any, amount: Any) -> Any:
    middle = grey(pixels)
    return middle + (pixels - middle) * _factor(amount)


def _sharpness(pixels: Any, amount: Any) -> Any:
    smooth = tensorflow().nn.avg_pool2d(pixels, 3, 1, "SAME")
    return smooth + (pixels - smooth) * _factor(amount)


def _posterize(pixels: Any, amount: Any) -> Any:
    tf = tensorflow()
    step = tf.pow(2.0, tf.round(4 * tf.abs(amount)))  # 8 to 4 bits per channel
    return tf.floor(pixels / step) * step


def _solarize(pixels: Any, amount: Any) -> Any:
    tf = tensorflow()
    return tf.where(pixels < 256 * (1 - tf.abs(amount)), pixels, 255 - pixels)


def _autocontrast(pixels: Any, amount: Any) -> Any:
    tf = tensorflow()
    low = tf.reduce_min(pixels, axis=[1, 2], keepdims=True)
    high = tf.reduce_max(pixels, axis=[1, 2], keepdims=True)
    return (pixels - low) * 255 / tf.maximum(high - low, 1.0)


def _factor(amount: Any) -> Any:
    return 1 + 0.9 * amount


OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "identity": lambda pixels, amount: pixels,
    "rotate": functools.partial(_moved, angle=math.radians(30)),
    "shear_x": functools.partial(_moved, shear=(0.3, 0.0)),
    "shear_y": functools.partial(_moved, shear=(0.0, 0.3)),
    "translate_x": functools.partial(_moved, shift=(0.3, 0.0)),
    "translate_y": functools.partial(_moved, shift=(0.0, 0.3)),
    "brightness": _toned(lambda pixels, amount: pixels * _factor(amount)),
    "contrast": _toned(_contrast),
    "colour": _toned(_colour),
    "sharpness": _toned(_sharpness),
    "posterize": _toned(_posterize),
    "solarize": _toned(_solarize),
    "autocontrast": _toned(_autocontrast),
}
"""The operations by name, in the order of their numbers: images ``[n, size, size, 3]`` and amounts ``[n]``."""
