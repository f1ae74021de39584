"""A plain script for comparison: tensorflow-model-optimization's quantize_model, as in its guide and at its best.

As in the guide: compile with Adam, fit two epochs, convert. At its best: many epochs on images augmented as in our
training, keeping the epoch whose fake-quantized network has the highest validation accuracy (among equals, the lowest
loss).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeclf_converters import Labelled
from edgeclf_converters.frameworks import keras, tensorflow, tfmot
from edgeclf_converters.graph.inputs import normalized
from edgeclf_converters.quantize.qat import Augment
from edgeclf_converters.tflite.convert import convert_rounding
from edgeclf_runtime import Preprocessing

__all__ = ["RATES", "Best", "best_plain", "guide_plain"]

_GUIDE_RATE = 1e-4
_BATCH = 32
RATES: dict[str, Callable[[int], Any]] = {
    "Adam 1e-4, cosine": lambda steps: keras().optimizers.schedules.CosineDecay(_GUIDE_RATE, steps),
    "Adam 1e-4": lambda steps: _GUIDE_RATE,
    "Adam 1e-5": lambda steps: 1e-5,
}
"""Learning rates that its best is sought among: a number or a schedule for so many steps, by name."""


@dataclass(frozen=True)
class Best:
    """The best epoch.

    Attributes:
        content: its converted file.
        epoch: number of the epoch, from 1.
        validation: validation accuracy of each epoch's fake-quantized network.
    """

    content: bytes
    epoch: int
    validation: list[float]


def guide_plain(model: Any, training: Labelled, rule: Preprocessing, epochs: int = 2) -> bytes:
    """Return the converted file of the guide's training.

    Args:
        model: float network with a softmax, its input of the rule's size.
        training: images of that size.
        rule: the network's preprocessing.
        epochs: number of epochs over the training images.
    """
    rounding = _compiled(model, _GUIDE_RATE)
    images = (training.pixels.astype(np.float32) - rule.mean[0]) / rule.std[0]
    rounding.fit(images, training.targets, batch_size=_BATCH, epochs=epochs, verbose=0)
    return convert_rounding(rounding, rule)


def best_plain(
    model: Any,
    training: Labelled,
    validation: Labelled,
    rule: Preprocessing,
    augment: Augment,
    rate: str,
    *,
    epochs: int,
    seed: int,
    say: Callable[[str], None],
) -> Best:
    """Train the same network longer, on augmented images; return its best epoch.

    Args:
        model: float network with a softmax, its input of the rule's size.
        training: images of any size that ``augment`` accepts.
        validation: images of the network's size, by which the epoch is chosen.
        rule: the network's preprocessing.
        augment: random changes of a batch.
        rate: one of ``RATES``.
        epochs: number of epochs over the training images.
        seed: random seed of order and augmentation.
        say: called with a line per epoch.
    """
    steps = math.ceil(len(training.targets) / _BATCH)
    rounding = _compiled(model, RATES[rate](steps * epochs))
    best, kept, seen = (-1.0, 0.0), (0, rounding.get_weights()), []
    for epoch in range(epochs):
        for images, targets in _batches(training, rule, augment, steps, [seed, epoch]):
            rounding.train_on_batch(images, targets)
        accuracy, loss = _judged(rounding, validation, rule)
        seen.append(accuracy)
        say(f"plain quantize_model, {rate}: epoch {epoch + 1} of {epochs}, validation {accuracy:.2%}")
        if (accuracy, -loss) > best:
            best, kept = (accuracy, -loss), (epoch + 1, rounding.get_weights())
    rounding.set_weights(kept[1])
    return Best(convert_rounding(rounding, rule), kept[0], seen)


def _compiled(model: Any, rate: Any) -> Any:
    rounding = tfmot().quantization.keras.quantize_model(model)
    rounding.compile(keras().optimizers.legacy.Adam(rate), "sparse_categorical_crossentropy")
    return rounding


def _batches(
    training: Labelled, rule: Preprocessing, augment: Augment, steps: int, seed: list[int]
) -> Iterator[tuple[Any, npt.NDArray[np.int64]]]:
    """Yield augmented, normalized images and their targets, in a new order each epoch."""
    tf, rng = tensorflow(), np.random.default_rng(seed)
    changed = tf.function(lambda pixels, pair: augment(pixels, pair, slice(None), 0), reduce_retracing=True)
    for rows in np.array_split(rng.permutation(len(training.targets)), steps):
        pixels = tf.constant(training.pixels[np.sort(rows)])
        pair = tf.constant(rng.integers(0, 2**31 - 1, 2, np.int32))
        yield normalized(changed(pixels, pair), rule), training.targets[np.sort(rows)]


def _judged(rounding: Any, validation: Labelled, rule: Preprocessing) -> tuple[float, float]:
    """Return accuracy and log loss."""
    images = (validation.pixels.astype(np.float32) - rule.mean[0]) / rule.std[0]
    scores = rounding.predict(images, batch_size=_BATCH, verbose=0)
    right = scores[np.arange(len(scores)), validation.targets]
    hits = scores.argmax(axis=1) == validation.targets
    return float(hits.mean()), float(-np.log(np.clip(right, 1e-7, None)).mean())
