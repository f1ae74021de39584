"""A float .tflite file is rebuilt as a tf_keras network that computes the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeclf_converters import ConversionError, convert
from edgeclf_converters.frameworks import keras, tensorflow
from edgeclf_converters.graph.float_network import float_network
from edgeclf_converters.graph.nodes import flatten
from edgeclf_converters.parity.scores import file_scores, network_scores
from edgeclf_runtime import Classifier, ModelError, Preprocessing
from edgeclf_runtime.model.rewrite import network_of

RULE = Preprocessing(16, 16)
PIXELS = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)


def _network(middle: Callable[[Any, Any], Any]) -> Any:
    """Return a network that applies ``middle``, built with TensorFlow, to 8 feature maps of 8x8."""
    layers = keras().layers
    keras().utils.set_random_seed(0)
    image = layers.Input((16, 16, 3))
    maps = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu6")(image)
    pooled = layers.GlobalAveragePooling2D()(middle(tensorflow(), maps))
    return keras().Model(image, layers.Dense(4, activation="softmax")(pooled))


def _shuffled(tf: Any, x: Any) -> Any:
    parts = tf.transpose(tf.reshape(x, [-1, 8, 8, 2, 4]), [0, 1, 2, 4, 3])
    mixed = tf.reshape(parts, [-1, 8, 8, 8])
    swish = mixed * tf.nn.relu6(mixed + 3) * (1 / 6)
    return swish * tf.sigmoid(tf.reduce_mean(swish, [1, 2], keepdims=True))


def _attention(tf: Any, x: Any) -> Any:
    rows = tf.reshape(x, [-1, 64, 8])
    x = tf.reshape(tf.matmul(tf.nn.softmax(tf.matmul(rows, rows, transpose_b=True)), rows), [-1, 8, 8, 8])
    mean = tf.reduce_mean(x, [3], keepdims=True)
    spread = tf.reduce_mean(tf.math.squared_difference(x, mean), [3], keepdims=True)
    return tf.nn.gelu((x - mean) * tf.math.rsqrt(spread + 1e-3) * np.linspace(0.5, 2, 8, dtype=np.float32) + 0.1)


def _pooled(tf: Any, x: Any) -> Any:
    layers = keras().layers
    lowest = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=-3e38)  # as in PyTorch's max pooling
    other = tf.pad(x - 1, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=-3e38)
    pools = layers.MaxPooling2D(3, 2)(lowest) + layers.MaxPooling2D(3, 2)(other)
    return pools + layers.AveragePooling2D(2)(layers.DepthwiseConv2D(3, padding="same", dilation_rate=2)(x))


def _sliced(tf: Any, x: Any) -> Any:
    x = tf.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]], constant_values=-1.0)
    return tf.concat([x[:, 1:, :-1, ::2], tf.split(x, 2, axis=3)[1][:, :10, :8]], 3)


MIDDLES: dict[str, Callable[[Any, Any], Any]] = {
    "shuffled channels, hard swish, squeeze and excitation": _shuffled,
    "attention, layer norm, gelu": _attention,
    "pools, dilation": _pooled,
    "slices, a constant padding": _sliced,
}


@pytest.mark.parametrize("name", MIDDLES)
def test_it_computes_what_the_file_computes(name: str) -> None:
    content = convert(_network(MIDDLES[name]), "float32", (), RULE)
    rebuilt = float_network(content)
    assert np.abs(network_scores(rebuilt, PIXELS, RULE) - file_scores(content, PIXELS, RULE)).max() < 1e-5


def test_all_methods_take_a_network_of_known_layers(float_model: Path) -> None:
    with Classifier.load(float_model) as classifier:
        rule = classifier.card.preprocessing
    content = network_of(float_model.read_bytes())
    rebuilt = float_network(content)
    assert {node.kind for node in flatten(rebuilt)} >= {"Conv2D", "DepthwiseConv2D", "Dense", "Softmax"}
    pixels = np.random.default_rng(0).integers(0, 256, (2, rule.height, rule.width, 3), np.uint8)
    assert np.abs(network_scores(rebuilt, pixels, rule) - file_scores(content, pixels, rule)).max() < 1e-4


def test_an_unsupported_operator_is_named_with_its_layer() -> None:
    content = convert(_network(lambda tf, x: tf.math.sin(x)), "float32", (), RULE)
    with pytest.raises(ConversionError, match=r"Layer '.*Sin.*': SIN is not supported"):
        float_network(content)


def test_a_damaged_file_is_refused() -> None:
    content = convert(_network(lambda tf, x: x), "float32", (), RULE)
    with pytest.raises(ModelError):
        float_network(content[: len(content) // 2])


def test_a_constant_of_another_size_is_refused() -> None:
    content = convert(_network(lambda tf, x: x), "float32", (), RULE)
    kernel = float_network(content).layers[1].get_weights()[0].transpose(3, 0, 1, 2).tobytes()
    start = content.index(kernel) - 4
    assert int.from_bytes(content[start : start + 4], "little") == len(kernel)
    changed = content[:start] + (len(kernel) - 16).to_bytes(4, "little") + content[start + 4 :]
    with pytest.raises(ConversionError, match="does not have the size of its tensor"):
        float_network(changed)
