"""A plain Keras script for comparison: transfer learning as in Keras's own guide, on the same network.

Images from the folder in batches of 32 at the network's size, mirrored and rotated slightly; the head alone with Adam
at 1e-3, then everything at 1e-5 with frozen batch norm. Nothing is cached or scheduled.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgeclf.config.train import TrainConfig
from edgeclf.frameworks import keras, tensorflow
from edgeclf_converters.parity.scores import Labelled

__all__ = ["plain_keras"]

_HEAD_EPOCHS = 5


def plain_keras(folder: Path, test: Labelled, config: TrainConfig, epochs: int) -> Iterator[tuple[float, float]]:
    """Train; yield (seconds so far, test accuracy) after each epoch, not counting the measurement.

    Args:
        folder: one sub-folder of images per class.
        test: images at the network's size.
        config: its backbone, input size and random seed are used.
        epochs: total number of epochs, first with the head alone, then with everything.
    """
    tf, layers, backbone, size = tensorflow(), keras().layers, config.network, config.input_size
    keras().utils.set_random_seed(config.seed)
    started, measuring = time.monotonic(), 0.0
    data = keras().utils.image_dataset_from_directory(
        folder, image_size=(size, size), batch_size=32, seed=config.seed, label_mode="int"
    )
    changes = keras().Sequential([layers.RandomFlip("horizontal"), layers.RandomRotation(0.1)])
    data = data.map(lambda x, y: (changes(x, training=True), y), num_parallel_calls=tf.data.AUTOTUNE)
    base = backbone.build(backbone.name, size)
    backbone.load(base, backbone.name, None)
    image = layers.Input((size, size, 3))
    scales, shifts = (
        [1 / std for std in backbone.std],
        [-m / std for m, std in zip(backbone.mean, backbone.std, strict=True)],
    )
    x = base(layers.Rescaling(scales, shifts)(image), training=False)
    x = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(x))
    model = keras().Model(image, layers.Dense(int(test.targets.max()) + 1)(x))
    loss = keras().losses.SparseCategoricalCrossentropy(from_logits=True)
    for epoch in range(epochs):
        if epoch in (0, _HEAD_EPOCHS):
            base.trainable = epoch > 0
            model.compile(keras().optimizers.Adam(1e-5 if epoch else 1e-3), loss)
        model.fit(data.prefetch(tf.data.AUTOTUNE), epochs=1, verbose=0)
        pause = time.monotonic()
        scores = model.predict(test.pixels.astype(np.float32), batch_size=32, verbose=0)
        accuracy = float((scores.argmax(axis=1) == test.targets).mean())
        measuring += time.monotonic() - pause
        yield time.monotonic() - started - measuring, accuracy
