"""A network trained on real handwritten digits, shared by the tests of quantization."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

from edgeclf_converters import Labelled
from edgeclf_converters.frameworks import keras


@pytest.fixture(scope="session")
def digits() -> tuple[Labelled, Labelled]:
    """Training and validation images, 32x32."""
    from sklearn.datasets import load_digits

    images, targets = load_digits(return_X_y=True)
    grey = np.kron(images.reshape(-1, 8, 8), np.ones((4, 4))) * 15.9
    pixels = np.repeat(grey[..., None], 3, axis=3).astype(np.uint8)
    targets = targets.astype(np.int64)
    return Labelled(pixels[:1200], targets[:1200]), Labelled(pixels[1200:], targets[1200:])


@pytest.fixture(scope="session")
def network(digits: tuple[Labelled, Labelled]) -> Any:
    """A small network with depthwise and residual blocks, trained briefly."""
    keras().utils.set_random_seed(0)
    layers = keras().layers
    norm = functools.partial(layers.BatchNormalization, momentum=0.9)  # in 114 steps, 0.99 would keep the start
    image = layers.Input((32, 32, 3))
    x = layers.ReLU(6.0)(norm()(layers.Conv2D(16, 3, strides=2, use_bias=False)(image)))
    y = layers.ReLU(6.0)(norm()(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)))
    x = layers.Add()([x, layers.Conv2D(16, 1)(y)])
    x = layers.Conv2D(24, 3, strides=2, activation="relu")(x)
    x = layers.Dense(10)(layers.GlobalAveragePooling2D()(x))
    model = keras().Model(image, layers.Softmax()(x))
    model.compile(keras().optimizers.Adam(5e-3), "sparse_categorical_crossentropy")
    data = digits[0]
    model.fit((data.pixels.astype(np.float32) - 127) / 128, data.targets, batch_size=64, epochs=6, verbose=0)
    return model
