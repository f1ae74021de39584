"""Show which areas of an image support a class (Grad-CAM: Selvaraju et al., ICCV 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgeclf.frameworks import keras, tensorflow
from edgeclf_converters.graph.inputs import normalized
from edgeclf_runtime.pictures.preprocess import Pixels, Preprocessing

__all__ = ["class_activation", "overlay"]

Maps = npt.NDArray[np.float32]

_BATCH = 16
_OPACITY = 0.6


def class_activation(model: Any, pixels: Pixels, classes: Sequence[int], rule: Preprocessing) -> Maps:
    """Compute which areas of each image support a class, on the feature map that the layer ``pool`` averages.

    With a linear head this is the class activation map (Zhou et al., CVPR 2016) without its bias.

    Args:
        model: from ``build_classifier``, with logits as output.
        pixels: uint8 RGB ``[images, height, width, 3]`` at the model's input size.
        classes: one class index per image.
        rule: the model's preprocessing.

    Returns:
        float32 ``[images, rows, columns]`` at the feature map's size, each scaled to [0, 1]; all 0 if nothing
            supports the class.
    """
    pooled = model.get_layer("pool").input
    below, above = keras().Model(model.input, pooled), keras().Model(pooled, model.output)
    asked = np.asarray(classes, np.int64)
    starts = range(0, len(pixels), _BATCH)
    return np.concatenate([_maps(below, above, pixels[s : s + _BATCH], asked[s : s + _BATCH], rule) for s in starts])


def _maps(below: Any, above: Any, pixels: Pixels, classes: npt.NDArray[np.int64], rule: Preprocessing) -> Maps:
    tf = tensorflow()
    features = below(normalized(tf.constant(pixels), rule), training=False)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(features)
        logits = above(features, training=False)
        # Do not use gather: TensorFlow refuses its gradient on a GPU if results must be reproducible.
        chosen = tf.reduce_sum(logits * tf.one_hot(classes, logits.shape[1]), axis=1)
    weights = tf.reduce_mean(tape.gradient(chosen, features), axis=[1, 2], keepdims=True)
    maps: Maps = tf.nn.relu(tf.reduce_sum(weights * features, axis=3)).numpy()
    return np.asarray(maps / np.maximum(maps.max(axis=(1, 2), keepdims=True), 1e-12), np.float32)


def overlay(pixels: Pixels, activation: Maps) -> Pixels:
    """Colour an image, uint8 RGB ``[height, width, 3]``, by an activation ``[rows, columns]`` in [0, 1]."""
    height, width = pixels.shape[:2]
    wide = np.clip(cv2.resize(activation, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1)[..., None]
    colours = cv2.applyColorMap(np.asarray(wide * 255, np.uint8), cv2.COLORMAP_TURBO)[:, :, ::-1]
    return np.asarray(pixels + (colours.astype(np.float32) - pixels) * wide * _OPACITY, np.uint8)
