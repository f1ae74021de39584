"""Random crops, mirroring and colour changes, as a pure function of the seed."""

from __future__ import annotations

from typing import Any

from edgeclf.frameworks import tensorflow

__all__ = ["augment"]

_AREA = (0.45, 1.0)  # of the picture that a crop keeps
_ASPECT = 1.25
_JITTER = 0.25  # of brightness, contrast and saturation, each way


def augment(pixels: Any, size: int, flip: bool, seed: Any, part: slice | None = None, count: int = 0) -> Any:
    """A batch as training sees it.

    Args:
        pixels: uint8 RGB tensor ``[batch, height, width, 3]``.
        part, count: where the pictures are this part of a batch of so many; each is changed as it is in the whole.
        size: height and width of the result.
        flip: mirror half of the pictures.
        seed: int32 ``[2]``; the same seed gives the same result.

    Returns:
        float32 ``[batch, size, size, 3]`` in 0..255.
    """
    tf = tensorflow()
    batch = tf.shape(pixels)[0]
    draws = tf.random.stateless_uniform([8, count or batch], seed)
    draw = tf.unstack(draws[:, part] if part else draws, num=8)
    area = _AREA[0] + draw[0] * (_AREA[1] - _AREA[0])
    aspect = tf.exp((2 * draw[1] - 1) * tf.math.log(_ASPECT))
    height = tf.minimum(1.0, tf.sqrt(area / aspect))
    width = tf.minimum(1.0, tf.sqrt(area * aspect))
    top, left = draw[2] * (1 - height), draw[3] * (1 - width)
    right = left + width
    mirrored = tf.logical_and(draw[4] < 0.5, flip)
    left, right = tf.where(mirrored, right, left), tf.where(mirrored, left, right)
    boxes = tf.stack([top, left, top + height, right], axis=1)
    crops = tf.image.crop_and_resize(tf.cast(pixels, tf.float32), boxes, tf.range(batch), [size, size])
    factors = 1 + (2 * tf.stack(draw[5:]) - 1)[:, :, None, None, None] * _JITTER
    return tf.clip_by_value(_recolour(crops, factors), 0.0, 255.0)


def _recolour(pixels: Any, factors: Any) -> Any:
    """Saturation, contrast and brightness, each by its factor per picture."""
    tf = tensorflow()
    grey = tf.reduce_sum(pixels * tf.constant([0.299, 0.587, 0.114]), axis=3, keepdims=True)
    pixels = grey + (pixels - grey) * factors[0]
    middle = tf.reduce_mean(grey, axis=[1, 2, 3], keepdims=True)
    return (middle + (pixels - middle) * factors[1]) * factors[2]
