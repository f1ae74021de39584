"""Random crops, mirroring, quarter turns and colour changes, as a pure function of the seed."""

from __future__ import annotations

from typing import Any

from edgeclf.frameworks import tensorflow

__all__ = ["augment", "grey"]

_AREA = 0.45  # minimum share of the image's area that a crop keeps
_AREA_OF_SETS = 0.8  # the same if an image may have several labels: none must lose its object
_ASPECT = 1.25
_JITTER = 0.25  # maximum change of brightness, contrast and saturation, as a share


def augment(
    pixels: Any,
    size: int,
    flip: bool,
    rotate90: bool,
    seed: Any,
    part: slice | None = None,
    count: int = 0,
    several_labels: bool = False,
) -> Any:
    """Augment a batch: crop, mirror, rotate and recolour its images at random.

    Args:
        pixels: uint8 RGB tensor ``[batch, height, width, 3]``.
        size: height and width of the result in pixels.
        flip: mirror half of the images.
        rotate90: rotate images by zero to three quarter turns, each equally often.
        seed: int32 ``[2]``; the same seed gives the same result.
        part, count: given if the images are this part of a batch of ``count``; each is then changed as in the whole
            batch.
        several_labels: crop less, as each label must stay true.

    Returns:
        float32 ``[batch, size, size, 3]`` in 0..255.
    """
    tf = tensorflow()
    batch = tf.shape(pixels)[0]
    whole, part = count or batch, part or slice(None)
    draw = tf.unstack(tf.random.stateless_uniform([8, whole], seed)[:, part], num=8)
    least = _AREA_OF_SETS if several_labels else _AREA
    area = least + draw[0] * (1 - least)
    aspect = tf.exp((2 * draw[1] - 1) * tf.math.log(_ASPECT))
    height = tf.minimum(1.0, tf.sqrt(area / aspect))
    width = tf.minimum(1.0, tf.sqrt(area * aspect))
    top, left = draw[2] * (1 - height), draw[3] * (1 - width)
    bottom, right = top + height, left + width
    mirrored = tf.logical_and(draw[4] < 0.5, flip)
    if rotate90:  # a quarter turn is a reflection and a transposition; a half turn is two reflections
        quarters = tf.random.stateless_uniform([whole], seed + tf.constant([0, 21]), 0, 4, tf.int32)[part]
        mirrored = tf.not_equal(mirrored, tf.logical_or(quarters == 1, quarters == 2))
        top, bottom = tf.where(quarters >= 2, bottom, top), tf.where(quarters >= 2, top, bottom)
    left, right = tf.where(mirrored, right, left), tf.where(mirrored, left, right)
    boxes = tf.stack([top, left, bottom, right], axis=1)
    crops = tf.image.crop_and_resize(tf.cast(pixels, tf.float32), boxes, tf.range(batch), [size, size])
    if rotate90:
        crops = tf.where((quarters % 2 == 1)[:, None, None, None], tf.transpose(crops, [0, 2, 1, 3]), crops)
    factors = 1 + (2 * tf.stack(draw[5:]) - 1)[:, :, None, None, None] * _JITTER
    return tf.clip_by_value(_recolour(crops, factors), 0.0, 255.0)


def _recolour(pixels: Any, factors: Any) -> Any:
    """Change saturation, contrast and brightness by one factor each per image."""
    tf = tensorflow()
    brightness = grey(pixels)
    middle = tf.reduce_mean(brightness, axis=[1, 2, 3], keepdims=True)
    brightness = tf.tile(brightness, [1, 1, 1, 3])  # with one channel, TensorFlow takes twice as long
    pixels = brightness + (pixels - brightness) * factors[0]
    return (middle + (pixels - middle) * factors[1]) * factors[2]


def grey(pixels: Any) -> Any:
    """Return the luma (ITU-R BT.601) of RGB images ``[batch, height, width, 3]``, with one channel."""
    red, green, blue = (pixels[..., channel : channel + 1] for channel in range(3))
    return red * 0.299 + green * 0.587 + blue * 0.114
