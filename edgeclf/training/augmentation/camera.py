"""Changes to training images like camera faults, on a whole batch at once, as a pure function of the seed.

The faults drawn: noise, under- and overexposure, colour cast, loss of colour, low contrast, blur as from a lens out of
focus or a low resolution, and greater distance. ``HELD_OUT`` are never drawn, so that they show how a network copes
with faults that its training did not include.
"""

from __future__ import annotations

import math
from typing import Any

from edgeclf.frameworks import tensorflow
from edgeclf.training.augmentation.augment import grey

__all__ = ["CONTRAST", "HELD_OUT", "LIGHT", "NOISE", "SCALE", "SHARE", "TINT", "camera_like"]

HELD_OUT = ("motion blur", "JPEG", "tilt", "cut off", "glare", "rain or dirt", "rolling bands")
"""Faults of ``edgeclf evaluate --camera-faults`` that are never drawn here."""

SHARE = 0.2
"""Share of the images that get each fault; each is drawn independently of the others."""

LIGHT = (0.25, 2.2)
"""Factors of brightness, log-uniform; what gets brighter than 255 is clipped."""

TINT = 0.35
"""Largest share by which red and blue are changed, in opposite directions."""

CONTRAST = (0.25, 0.8)
"""Factors of the distance from the image's mean luma."""

NOISE = (4.0, 32.0)
"""Standard deviations of the noise, in levels of 0..255."""

SCALE = (0.4, 0.9)
"""Factors of the size of what is further away."""

_FIELDS = 4  # noise fields per batch, each shared by several images; one per image would take as long as the crops
_POOLS = (2, 4)  # side in pixels of the squares that blurred images average
_DRAWS = 15  # random numbers for each image


def camera_like(pixels: Any, seed: Any, part: slice | None = None, count: int = 0) -> Any:
    """Apply random camera faults to images; about a fifth of them stay as they are.

    Args:
        pixels: float32 RGB ``[batch, size, size, 3]`` in 0..255.
        seed: int32 ``[2]``.
        part, count: see ``augment``.

    Returns:
        images of the same shape and range.
    """
    tf = tensorflow()
    whole = count or tf.shape(pixels)[0]
    draws = tf.random.stateless_uniform([_DRAWS, whole], seed + tf.constant([0, 31]))[:, part or slice(None)]
    draw = tf.unstack(draws, num=_DRAWS)
    pixels = _further_away(pixels, draw[0] < SHARE, draw[1], draw[2], draw[3])
    pixels = _blurred(pixels, draw[4] < SHARE, draw[5])
    pixels = tf.clip_by_value(_recoloured(pixels, draw[6:13]), 0.0, 255.0)
    return tf.clip_by_value(_noisy(pixels, draw[13] < SHARE, draw[14], seed), 0.0, 255.0)


def _further_away(pixels: Any, chosen: Any, amount: Any, across: Any, down: Any) -> Any:
    """Shrink the chosen images to a random place; their edges are extended around them, like a wall or a table."""
    tf = tensorflow()
    rows = _rows(chosen)
    scale, across, down = (tf.gather(value, rows) for value in (_between(SCALE, amount), across, down))
    side = tf.cast(tf.shape(pixels)[1], tf.float32)
    left, top = ((1 - scale) * side * share for share in (across, down))
    zero = tf.zeros_like(scale)
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.gather(pixels, rows),
        transforms=tf.stack([1 / scale, zero, -left / scale, zero, 1 / scale, -top / scale, zero, zero], axis=1),
        output_shape=tf.shape(pixels)[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )
    return tf.tensor_scatter_nd_update(pixels, rows[:, None], moved)


def _blurred(pixels: Any, chosen: Any, amount: Any) -> Any:
    """Shrink the chosen images to a half or a quarter of their width and height, and enlarge them again."""
    tf = tensorflow()
    size = tf.shape(pixels)[1:3]
    for number, pool in enumerate(_POOLS):
        rows = _rows(tf.logical_and(chosen, tf.equal(amount < 0.5, number == 0)))
        small = tf.nn.avg_pool2d(tf.gather(pixels, rows), pool, pool, "SAME")
        pixels = tf.tensor_scatter_nd_update(pixels, rows[:, None], tf.image.resize(small, size))
    return pixels


def _recoloured(pixels: Any, draw: Any) -> Any:
    """Change saturation, contrast, white balance and brightness, each in some images, in this order."""
    tf = tensorflow()
    light = tf.exp(_between((math.log(LIGHT[0]), math.log(LIGHT[1])), draw[1]))
    light = tf.where(draw[0] < SHARE, light, 1.0)
    tint = tf.where(draw[2] < SHARE, (2 * draw[3] - 1) * TINT, 0.0)
    contrast = tf.where(draw[4] < SHARE, _between(CONTRAST, draw[5]), 1.0)
    colour = tf.where(draw[6] < SHARE, tf.maximum(0.0, 1 - 2 * draw[6] / SHARE), 1.0)  # half of these are grey
    rows = _rows(tf.math.logical_or(tf.minimum(tf.minimum(draw[0], draw[2]), draw[4]) < SHARE, draw[6] < SHARE))
    some = tf.gather(pixels, rows)
    light, tint, contrast, colour = (
        tf.gather(value, rows)[:, None, None, None] for value in (light, tint, contrast, colour)
    )
    luma = grey(some)
    middle = tf.reduce_mean(luma, axis=[1, 2, 3], keepdims=True)
    gains = light * tf.concat([1 + tint, tf.ones_like(tint), 1 - tint], axis=3)
    # ((luma + (some - luma) * colour) - middle) * contrast + middle, times the gains
    changed = some * (colour * contrast * gains) + (luma * ((1 - colour) * contrast) + middle * (1 - contrast)) * gains
    return tf.tensor_scatter_nd_update(pixels, rows[:, None], changed)


def _noisy(pixels: Any, chosen: Any, amount: Any, seed: Any) -> Any:
    tf = tensorflow()
    rows = _rows(chosen)
    shape = tf.concat([[_FIELDS], tf.shape(pixels)[1:]], axis=0)
    fields = tf.random.stateless_normal(shape, seed + tf.constant([0, 32]))
    levels = tf.gather(amount, rows)
    number = tf.cast(levels * 1000.0, tf.int32) % _FIELDS  # digits of the amount that do not affect it
    noise = tf.gather(fields, number) * _between(NOISE, levels)[:, None, None, None]
    return tf.tensor_scatter_nd_add(pixels, rows[:, None], noise)


def _rows(chosen: Any) -> Any:
    return tensorflow().where(chosen)[:, 0]


def _between(limits: tuple[float, float], amount: Any) -> Any:
    """Map amounts in 0..1 to values between two limits."""
    return limits[0] + amount * (limits[1] - limits[0])
