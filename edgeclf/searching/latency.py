"""Measure the latency of an int8 file before training: it does not depend on the weights' values."""

from __future__ import annotations

import time

import numpy as np

from edgeclf.config.train import TrainConfig, preprocessing
from edgeclf.errors import WeightsError
from edgeclf.frameworks import tensorflow
from edgeclf.model.network import build_classifier, with_softmax
from edgeclf_converters.report import invoke_milliseconds
from edgeclf_converters.tflite.convert import convert
from edgeclf_runtime.pictures.preprocess import Pixels

__all__ = ["forward_seconds", "missing_weights", "plain_picture", "untrained_milliseconds"]

_BATCH = 16
_CLASSES = 10  # outputs of the untrained head, whose time is negligible


def missing_weights(config: TrainConfig) -> str:
    """Return why the weights of a training's backbone are not available; empty if they are."""
    try:
        config.network.load(build_classifier(config.network, None, _CLASSES), config.backbone, config.weights)
    except WeightsError as error:
        return str(error).rstrip(".")
    return ""


def untrained_milliseconds(config: TrainConfig) -> float:
    """Return the median latency per image, in ms, of the int8 file of an untrained network."""
    model, rule = build_classifier(config.network, None, _CLASSES, config.head), preprocessing(config)
    picture = [plain_picture(config.input_size)]
    return invoke_milliseconds([convert(with_softmax(model), "int8", picture, rule)], picture, rule)[0]


def forward_seconds(config: TrainConfig) -> float:
    """Return the seconds that the float network takes per image of a batch, on this machine."""
    tf, size = tensorflow(), config.input_size
    model = build_classifier(config.network, None, _CLASSES, config.head)
    forward = tf.function(lambda images: model(images, training=False))
    batch = tf.zeros((_BATCH, size, size, 3))
    spent = []
    for _ in range(3):  # the first pass also traces the graph
        started = time.perf_counter()
        forward(batch).numpy()
        spent.append(time.perf_counter() - started)
    return min(spent) / _BATCH


def plain_picture(size: int) -> Pixels:
    """Return a ramp from black to white, uint8 RGB: the image's content does not affect the latency."""
    ramp = np.linspace(0, 255, size).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(ramp[None, :, None], (size, size, 3)))
