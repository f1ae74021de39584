"""Mix images of a batch with each other, and their labels in the same proportion (mixup and CutMix)."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeclf.frameworks import tensorflow

__all__ = ["draw", "mix"]


def draw(mixup: float, cutmix: float, size: int, rng: np.random.Generator) -> tuple[float, tuple[int, int, int, int]]:
    """Draw the share and box by which a batch is mixed.

    Args:
        mixup, cutmix: parameters of the Beta distribution that shares are drawn from; 0 turns the method off. With
            both, each is used for half of the batches.
        size: height and width of the images, in pixels.
        rng: random generator of this step.

    Returns:
        the share of each image itself, and the box (top, left, bottom, right) in pixels that the other image fills;
        for mixup the box is empty.
    """
    if not mixup and not cutmix:
        return 1.0, (0, 0, 0, 0)
    if not cutmix or (mixup and rng.random() < 0.5):
        return float(rng.beta(mixup, mixup)), (0, 0, 0, 0)
    side = size * np.sqrt(1 - rng.beta(cutmix, cutmix))
    y, x = rng.random(2) * size
    top, bottom = (round(float(np.clip(y + half, 0, size))) for half in (-side / 2, side / 2))
    left, right = (round(float(np.clip(x + half, 0, size))) for half in (-side / 2, side / 2))
    return 1 - (bottom - top) * (right - left) / size**2, (top, left, bottom, right)


def mix(images: Any, wanted: Any, share: Any, box: Any) -> tuple[Any, Any]:
    """Mix each image with another one of the batch (mixup: Zhang et al., ICLR 2018; CutMix: Yun et al., ICCV 2019).

    Args:
        images: float ``[batch, size, size, 3]``.
        wanted: ``[batch, classes]``, target shares of the classes, or other values to mix in the same way.
        share, box: from ``draw``, as tensors.

    Returns:
        the mixed images and targets.
    """
    tf = tensorflow()
    others, rows, columns = images[::-1], tf.range(tf.shape(images)[1]), tf.range(tf.shape(images)[2])
    down = tf.logical_and(rows >= box[0], rows < box[2])
    across = tf.logical_and(columns >= box[1], columns < box[3])
    inside = tf.logical_and(down[:, None], across[None, :])[None, :, :, None]
    empty = tf.logical_or(box[0] >= box[2], box[1] >= box[3])
    blended = tf.where(empty, others + (images - others) * share, images)
    return tf.where(inside, others, blended), share * wanted + (1 - share) * wanted[::-1]
