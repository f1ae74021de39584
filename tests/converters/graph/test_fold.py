"""Networks rewritten for quantization compute the same; unsupported layers are reported before any training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgeclf_converters import ConversionError
from edgeclf_converters.frameworks import keras
from edgeclf_converters.graph.fold import fold
from edgeclf_converters.graph.nodes import build, flatten
from edgeclf_converters.quantize.refine import equalize, equalized_pairs


def _layers() -> Any:
    return keras().layers


def _shaken(model: Any) -> Any:
    """Randomize weights and batch-norm statistics, as if the network had been trained."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras().Model):
            _shaken(layer)
        elif layer.get_weights():
            layer.set_weights(
                [np.abs(rng.normal(0.3, 0.4, w.shape)) + 0.05 * (w.ndim == 1) for w in layer.get_weights()]
            )
    return model


def _images() -> np.ndarray:
    return np.random.default_rng(1).uniform(-1, 1, (4, 24, 24, 3)).astype(np.float32)


def _block(x: Any, name: str) -> Any:
    y = _layers().Conv2D(8, 3, padding="same", use_bias=False, name=f"{name}_conv")(x)
    y = _layers().ReLU(6.0, name=f"{name}_relu")(_layers().BatchNormalization(name=f"{name}_bn")(y))
    y = _layers().DepthwiseConv2D(3, padding="same", name=f"{name}_dw", activation="relu")(y)
    return _layers().Dropout(0.2, name=f"{name}_drop")(y)


def _nested() -> Any:
    """Return a network with a nested model, a batch norm without a convolution before it, and embedded activations."""
    inner_input = _layers().Input((24, 24, 8))
    inner = keras().Model(inner_input, _layers().Add()([inner_input, _block(inner_input, "in")]), name="inner")
    image = _layers().Input((24, 24, 3), name="image")
    x = _layers().BatchNormalization(name="loose_bn")(_layers().MaxPooling2D()(inner(_block(image, "out"))))
    x = _layers().Conv2D(6, 3, strides=2, activation="relu", name="last")(x)
    x = _layers().Dense(5, activation="softmax", name="head")(_layers().GlobalAveragePooling2D()(x))
    return _shaken(keras().Model(image, x))


def test_folding_keeps_the_function_of_a_nested_network() -> None:
    model = _nested()
    nodes = fold(flatten(model))
    np.testing.assert_allclose(build(nodes)(_images()), model(_images()), atol=1e-5)
    kinds = {node.kind for node in nodes}
    assert not kinds & {"BatchNormalization", "Dropout", "Functional"}
    assert all(node.config.get("activation", "linear") == "linear" for node in nodes if node.kind == "Conv2D")


def test_consecutive_norms_fold_only_if_no_other_layer_reads_them() -> None:
    image = _layers().Input((24, 24, 3))
    first = _layers().BatchNormalization(name="first")(_layers().Conv2D(4, 3, name="conv")(image))
    second = _layers().BatchNormalization(name="second")(first)
    x = _layers().GlobalAveragePooling2D()(_layers().Add()([first, second]))
    model = _shaken(keras().Model(image, _layers().Dense(3)(x)))
    nodes = fold(flatten(model))
    np.testing.assert_allclose(build(nodes)(_images()), model(_images()), rtol=1e-4, atol=1e-5)
    assert {node.name: node.kind for node in nodes}["second"] == "DepthwiseConv2D"


def test_a_duplicate_name_is_refused() -> None:
    layer = _layers().ReLU(name="conv_act")
    with pytest.raises(ConversionError, match="differ only by _act"):
        fold(flatten(_with(lambda x: layer(_layers().Conv2D(4, 3, activation="relu", name="conv")(x)))))


def test_a_sequential_network_is_flattened_too() -> None:
    layers = _layers()
    body = keras().Sequential([layers.Input((24, 24, 3)), layers.Conv2D(4, 3), layers.BatchNormalization()])
    model = _shaken(
        keras().Sequential([layers.Input((24, 24, 3)), body, layers.ReLU(), layers.Flatten(), layers.Dense(3)])
    )
    np.testing.assert_allclose(build(fold(flatten(model)))(_images()), model(_images()), rtol=1e-4, atol=1e-4)


def test_equalizing_keeps_the_function_and_narrows_the_ranges() -> None:
    image = _layers().Input((24, 24, 3))
    x = _layers().Conv2D(8, 3, activation="relu")(image)
    x = _layers().Conv2D(6, 3)(_layers().DepthwiseConv2D(3, activation="relu")(x))
    model = _shaken(keras().Model(image, _layers().Dense(3)(_layers().GlobalAveragePooling2D()(x))))
    nodes = fold(flatten(model))
    assert len(equalized_pairs(nodes)) == 2
    even = equalize(nodes)
    np.testing.assert_allclose(build(even)(_images()), model(_images()), rtol=1e-3)
    assert any((a.weights[0] != b.weights[0]).any() for a, b in zip(nodes, even, strict=True) if a.weights)


def _with(layer: Any) -> Any:
    image = _layers().Input((24, 24, 3))
    x = layer(image)
    return keras().Model(image, _layers().Dense(2)(_layers().Flatten()(x)))


def test_an_unsupported_layer_is_reported_with_advice() -> None:
    with pytest.raises(ConversionError, match=r"'sep' is a SeparableConv2D.*use DepthwiseConv2D followed by Conv2D"):
        flatten(_with(_layers().SeparableConv2D(4, 3, name="sep")))
    with pytest.raises(ConversionError, match=r"'mine' has the activation 'gelu'"):
        flatten(_with(_layers().Conv2D(4, 3, activation="gelu", name="mine")))
    with pytest.raises(ConversionError, match=r"is a TFOpLambda.*use keras layers"):
        flatten(_with(lambda x: x * 0.5))


def test_layers_that_cannot_be_rewritten_exactly_are_refused() -> None:
    class Conv2D(keras().layers.Conv2D):
        """A user's layer with the name of a Keras layer, which computes something else."""

    with pytest.raises(ConversionError, match="is a Conv2D of its own"):
        flatten(_with(Conv2D(4, 3)))
    with pytest.raises(ConversionError, match="over an axis other than the last"):
        flatten(_with(_layers().BatchNormalization(axis=1)))
    with pytest.raises(ConversionError, match="with a cap other than 6"):
        flatten(_with(_layers().ReLU(4.0)))
    with pytest.raises(ConversionError, match="adds 3 inputs, not two"):
        flatten(_with(lambda x: _layers().Add()([x, x, x])))
    flat = keras().Sequential([_layers().Input((24, 24, 3)), _layers().Flatten(), _layers().BatchNormalization()])
    with pytest.raises(ConversionError, match="put it before the pooling"):
        flatten(flat)


def test_constraints_and_frozen_layers_do_not_affect_the_training() -> None:
    image = _layers().Input((24, 24, 3))
    constraint = keras().constraints.MaxNorm(1e-3)
    conv = _layers().Conv2D(
        4, 3, kernel_constraint=constraint, kernel_initializer=lambda shape, dtype: 0.1 * np.ones(shape)
    )
    conv.trainable = False
    model = keras().Model(image, _layers().Dense(3)(_layers().GlobalAveragePooling2D()(conv(image))))
    built = build(fold(flatten(model)))
    assert len(built.trainable_variables) == 4
    assert all(getattr(layer, "kernel_constraint", None) is None for layer in built.layers)


def test_a_layer_used_twice_and_a_subclassed_network_are_refused() -> None:
    shared = _layers().Conv2D(3, 3, padding="same", name="shared")
    with pytest.raises(ConversionError, match="'shared' is used twice"):
        flatten(_with(lambda x: shared(shared(x))))

    class Mine(keras().Model):
        def call(self, inputs: Any) -> Any:
            return inputs

    with pytest.raises(ConversionError, match="is a subclassed model"):
        flatten(Mine())
