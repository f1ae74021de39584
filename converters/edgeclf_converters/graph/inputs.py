"""Normalize a network's input as in its training."""

from __future__ import annotations

from typing import Any

from edgeclf_converters.frameworks import tensorflow
from edgeclf_runtime.pictures.preprocess import Preprocessing

__all__ = ["normalized"]


def normalized(pixels: Any, rule: Preprocessing) -> Any:
    """Normalize RGB pixels ``[batch, height, width, 3]`` for the network; return a float32 tensor."""
    tf = tensorflow()
    mean, std = tf.constant(rule.mean, tf.float32), tf.constant(rule.std, tf.float32)
    return (tf.cast(pixels, tf.float32) - mean) / std
