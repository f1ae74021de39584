"""The loss of a training step: for one class per image, or for several labels."""

from __future__ import annotations

from typing import Any

from edgeclf.frameworks import tensorflow

__all__ = ["smoothed", "summed_loss"]


def smoothed(targets: Any, classes: int, smoothing: float) -> Any:
    """Return the target probabilities, float32 ``[batch, classes]``.

    Args:
        targets: classes, int64 ``[batch]``, or which labels are present, bool ``[batch, classes]``.
        classes: number of classes.
        smoothing: share that is spread over all classes, or over "present" and "absent".
    """
    tf = tensorflow()
    if targets.dtype == tf.bool:
        return tf.cast(targets, tf.float32) * (1 - smoothing) + smoothing / 2
    return tf.one_hot(targets, classes) * (1 - smoothing) + smoothing / classes


def summed_loss(logits: Any, wanted: Any, several_labels: bool) -> Any:
    """Return the batch's sum of losses in nats: cross-entropy, or the labels' mean binary cross-entropy.

    Args:
        logits, wanted: float32 ``[batch, classes]``.
        several_labels: whether an image may have several labels.
    """
    tf = tensorflow()
    if several_labels:
        losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=wanted, logits=logits)
        return tf.reduce_sum(tf.reduce_mean(losses, axis=1))
    return -tf.reduce_sum(wanted * tf.nn.log_softmax(logits))
