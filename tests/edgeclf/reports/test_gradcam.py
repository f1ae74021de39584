"""Grad-CAM, on networks whose evidence for a class is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgeclf import Run
from edgeclf.config.train import preprocessing
from edgeclf.frameworks import keras
from edgeclf.model.network import HEAD, build_classifier, set_weights
from edgeclf.reports.gradcam import class_activation, overlay
from edgeclf_runtime import Preprocessing, read_image
from edgeclf_runtime.pictures.preprocess import resize

RULE = Preprocessing(32, 32, mean=(0.0,) * 3, std=(255.0,) * 3)


def _red_against_blue() -> Any:
    """Return a network whose first class is red and whose second is blue, in squares of 8 pixels."""
    layers = keras().layers
    inputs = keras().Input((32, 32, 3))
    x = layers.Conv2D(2, 8, 8, use_bias=False, name="seen")(inputs)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras().Model(inputs, layers.Dense(2, use_bias=False, name=HEAD)(x))
    kernel = np.zeros((8, 8, 3, 2), np.float32)
    kernel[..., 0, 0] = kernel[..., 2, 1] = 1 / 64
    model.get_layer("seen").set_weights([kernel])
    model.get_layer(HEAD).set_weights([np.eye(2, dtype=np.float32)])
    return model


def test_the_activation_map_is_high_where_the_class_is() -> None:
    image = np.zeros((32, 32, 3), np.uint8)
    image[0:8, 8:16, 0] = 200  # red
    image[24:32, 16:32, 2] = 255  # blue
    maps = class_activation(_red_against_blue(), np.stack([image, image]), [0, 1], RULE)
    assert maps.shape == (2, 4, 4)
    red, blue = np.zeros((4, 4)), np.zeros((4, 4))
    red[0, 1] = blue[3, 2] = blue[3, 3] = 1
    assert maps[0] == pytest.approx(red)
    assert maps[1] == pytest.approx(blue)


def test_the_activation_map_of_an_absent_class_is_empty() -> None:
    assert not class_activation(_red_against_blue(), np.zeros((1, 32, 32, 3), np.uint8), [0], RULE).any()


def test_with_a_linear_head_it_is_the_class_activation_map(run: Run) -> None:
    rule, data = preprocessing(run.config), run.read_split()
    model = build_classifier(run.config.network, run.config.input_size, 3)
    set_weights(model, run.read_arrays("weights"))
    pixels = np.stack([resize(read_image(data.root / file), rule) for file in data.files[::20]])
    batch = (pixels.astype(np.float32) - rule.mean[0]) / rule.std[0]
    features = keras().Model(model.input, model.get_layer("pool").input)(batch).numpy()
    classes = model(batch).numpy().argmax(axis=1)
    kernel = model.get_layer(HEAD).get_weights()[0]
    wanted = np.maximum(np.einsum("nhwc,cn->nhw", features, kernel[:, classes]), 0)
    maps = class_activation(model, pixels, list(classes), rule)
    highest = np.maximum(wanted.max(axis=(1, 2), keepdims=True), 1e-12)  # all 0 if nothing supports a class
    assert maps == pytest.approx(wanted / highest, abs=1e-3)


def test_an_overlay_colours_only_where_there_is_activation() -> None:
    image, activation = np.full((40, 40, 3), 90, np.uint8), np.zeros((4, 4), np.float32)
    activation[0, 0] = 1
    shown = overlay(image, activation)
    assert (shown[25:, 25:] == 90).all()
    assert shown[2, 2, 0] > shown[2, 2, 2] + 40  # red, the top of the scale
