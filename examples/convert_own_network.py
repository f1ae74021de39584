"""Convert a tf_keras network of one's own to int8: python examples/convert_own_network.py out.tflite

The cheapest method that loses no more than 0.2 points of accuracy is taken, up to training with the rounding. A small
network is trained on scikit-learn's handwritten digits first, so that there is something to convert.
"""

import sys

import numpy as np
import tf_keras as keras
from sklearn.datasets import load_digits

from edgeclf_converters import Labelled, QatConfig, convert_int8
from edgeclf_runtime import ModelCard, Preprocessing

images, targets = load_digits(return_X_y=True)
pixels = np.kron(images.reshape(-1, 8, 8, 1), np.full((1, 4, 4, 3), 15.9)).astype(np.uint8)  # 32x32 RGB
training = Labelled(pixels[:1200], targets[:1200])
validation = Labelled(pixels[1200:], targets[1200:])
rule = Preprocessing(32, 32, mean=(127.0,) * 3, std=(128.0,) * 3)

keras.utils.set_random_seed(0)  # the same weights to begin with in each run
network = keras.Sequential(
    [
        keras.layers.Input((32, 32, 3)),
        keras.layers.Conv2D(16, 3, strides=2, activation="relu"),
        keras.layers.DepthwiseConv2D(3, activation="relu"),
        keras.layers.Conv2D(32, 3, strides=2, activation="relu"),
        keras.layers.Flatten(),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
network.compile(keras.optimizers.Adam(5e-3), "sparse_categorical_crossentropy")
network.fit((training.pixels - np.float32(127)) / 128, training.targets, epochs=30, batch_size=64, verbose=0)

done = convert_int8(
    network,
    list(training.pixels[:200]),
    sys.argv[1],
    ModelCard("digits", tuple("0123456789"), rule),
    validation=validation,
    training=lambda: training,
    max_drop=0.2,  # points of accuracy
    qat=QatConfig(epochs=2, learning_rate=1e-3),
    golden=list(validation.pixels[:4]),
    say=print,
)
parity = done.search.best.parity
print(f"float {parity.float_accuracy:.2%}, int8 {parity.int8_accuracy:.2%}: {done.path}")
