"""The search for an int8 file, on a network trained on real handwritten digits."""

from __future__ import annotations

import functools
import signal
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeclf_converters import ConversionError, Labelled, QatConfig, convert_int8, search_int8
from edgeclf_converters.frameworks import keras, tensorflow
from edgeclf_converters.graph.fold import fold
from edgeclf_converters.graph.nodes import build, features_node, flatten
from edgeclf_converters.parity.scores import file_scores, network_scores
from edgeclf_converters.quantize.fake_quant import quantized, ranged_nodes
from edgeclf_converters.quantize.qat import train_epochs
from edgeclf_converters.quantize.ranges import ESTIMATORS, estimate, observe
from edgeclf_converters.quantize.refine import correct_biases, equalize, rounded_kernel
from edgeclf_converters.tflite.convert import convert
from edgeclf_runtime import Classifier, ModelCard, Preprocessing

_OUT_OF_MEMORY = """Graph execution error:

Detected at node zeros defined at (most recent call last):
  File "x.py", line 6, in <module>

OOM when allocating tensor
\t [[{{node zeros}}]]"""  # as TensorFlow words it

RULE = Preprocessing(32, 32)
LABELS = tuple("0123456789")


@pytest.fixture(scope="module")
def digits() -> tuple[Labelled, Labelled]:
    """Training and validation images, 32x32."""
    from sklearn.datasets import load_digits

    images, targets = load_digits(return_X_y=True)
    grey = np.kron(images.reshape(-1, 8, 8), np.ones((4, 4))) * 15.9
    pixels = np.repeat(grey[..., None], 3, axis=3).astype(np.uint8)
    targets = targets.astype(np.int64)
    return Labelled(pixels[:1200], targets[:1200]), Labelled(pixels[1200:], targets[1200:])


@pytest.fixture(scope="module")
def network(digits: tuple[Labelled, Labelled]) -> Any:
    """A small network with depthwise and residual blocks, trained briefly."""
    keras().utils.set_random_seed(0)
    layers = keras().layers
    norm = functools.partial(layers.BatchNormalization, momentum=0.9)  # of 114 steps, 0.99 would keep the beginning
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


def _images(digits: tuple[Labelled, Labelled]) -> list[np.ndarray]:
    return list(digits[0].pixels[:100])


def _rounding(network: Any, digits: tuple[Labelled, Labelled]) -> tuple[Any, Any, Any]:
    nodes = fold(flatten(network))
    ranges = estimate(observe(nodes, _images(digits), RULE), "minmax", RULE, nodes[0].name)
    return nodes, ranges, quantized(nodes, ranges, kernels=True)[0]


def test_the_rounding_network_gives_the_scores_of_the_integer_file(
    network: Any, digits: tuple[Labelled, Labelled]
) -> None:
    from edgeclf_converters.tflite.convert import convert_rounding

    nodes, ranges, student = _rounding(network, digits)
    file = convert_rounding(quantized(nodes, ranges, kernels=False)[0], RULE)
    pixels = digits[1].pixels[:100]
    difference = np.abs(file_scores(file, pixels, RULE) - network_scores(student, pixels, RULE))
    assert np.quantile(difference, 0.99) < 0.03
    assert set(ranges) == set(ranged_nodes(nodes))


def test_every_estimated_range_is_within_the_extremes(network: Any, digits: tuple[Labelled, Labelled]) -> None:
    nodes = fold(flatten(network))
    statistics = observe(nodes, _images(digits), RULE)
    widest = estimate(statistics, "minmax", RULE, "image")
    for name in ESTIMATORS[1:]:
        for node, (low, high) in estimate(statistics, name, RULE, "image").items():
            assert widest[node][0] - 1e-6 <= low <= 0 < high <= widest[node][1] + 1e-2, (name, node)


@pytest.mark.parametrize("channel", range(5))
def test_histograms_see_every_channel(channel: int) -> None:
    """Only one of 40 channels is large; no estimator may mistake it for a few outliers."""
    layers = keras().layers
    image = layers.Input((32, 32, 3), name="image")
    conv = layers.Conv2D(40, 1, name="conv")
    model = keras().Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(conv(image))))
    kernel = np.full((1, 1, 3, 40), 0.1, np.float32)
    kernel[..., channel] = 10
    conv.set_weights([kernel, np.zeros(40, np.float32)])
    y, x = np.mgrid[0:32, 0:32]
    smooth = [np.stack([x * 7, y * 7, x + y], -1).astype(np.uint8)]
    statistics = observe(fold(flatten(model)), smooth, RULE)
    widest = estimate(statistics, "minmax", RULE, "image")["conv"]
    for name in ("percentile", "mse"):
        low, high = estimate(statistics, name, RULE, "image")["conv"]
        assert high - low > 0.8 * (widest[1] - widest[0]), name


def test_depthwise_kernels_round_by_channel(network: Any) -> None:
    node = next(node for node in fold(flatten(network)) if node.kind == "DepthwiseConv2D")
    error = np.abs(rounded_kernel(node) - node.weights[0]).max(axis=(0, 1))
    assert (error <= np.abs(node.weights[0]).max(axis=(0, 1)) / 254 + 1e-7).all()


def test_bias_correction_restores_the_mean_output_of_a_rounded_layer(
    network: Any, digits: tuple[Labelled, Labelled]
) -> None:
    """The correction is exact where every input has the same weight, in 1x1 convolutions and dense layers."""
    nodes = fold(flatten(network))
    corrected = {node.name: node for node in correct_biases(nodes, _images(digits), RULE)}
    exact = [node for node in nodes if node.kind == "Dense" or (node.weights and node.weights[0].shape[:2] == (1, 1))]
    assert len(exact) == 2

    def mean(node: Any, weights: tuple[Any, ...]) -> Any:
        changed = [replace(n, weights=weights) if n is node else n for n in nodes]
        scores = network_scores(build(changed, outputs=[node.name]), digits[0].pixels[:100], RULE)
        return scores.reshape(-1, scores.shape[-1]).mean(axis=0)

    for node in exact:
        wanted, kernel = mean(node, node.weights), rounded_kernel(node)
        before = np.abs(mean(node, (kernel, node.weights[1])) - wanted).max()
        after = np.abs(mean(node, (kernel, corrected[node.name].weights[1])) - wanted).max()
        assert after < 0.02 * before, (node.name, before, after)


def test_equalizing_ignores_a_dead_channel() -> None:
    keras().utils.set_random_seed(0)
    layers = keras().layers
    image = layers.Input((8, 8, 3))
    x = layers.Conv2D(6, 1, activation="relu", name="first")(image)
    model = keras().Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(layers.Conv2D(4, 1, name="next")(x))))
    kernel, bias = model.get_layer("first").get_weights()
    kernel[..., 2], kernel[..., 3] = 0, kernel[..., 3] * 50
    model.get_layer("first").set_weights([kernel, bias])
    nodes = fold(flatten(model))
    after = equalize(nodes)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3)).astype(np.uint8)
    before, now = (network_scores(build(some), pixels, RULE) for some in (nodes, after))
    assert np.allclose(before, now, atol=1e-4)
    first = {node.name: node for node in after}["first"].weights[0]
    assert np.array_equal(first[..., 2], kernel[..., 2])
    spread = np.abs(first).max(axis=(0, 1, 2))
    assert spread[3] / spread[0] < 0.5 * np.abs(kernel[..., 3]).max() / np.abs(kernel[..., 0]).max()


def test_class_weights_reach_the_loss(network: Any, digits: tuple[Labelled, Labelled]) -> None:
    """A class of weight 0 is forgotten if only labels are the loss."""
    nodes, ranges, _ = _rounding(network, digits)
    weights = tuple(0.0 if label == 3 else 10 / 9 for label in range(10))
    config = QatConfig(epochs=2, learning_rate=5e-3, distillation=0.0, class_weights=weights)
    *_, (after, _) = train_epochs(nodes, nodes, ranges, lambda nodes: ranges, digits[0], RULE, config)
    threes = digits[1].pixels[digits[1].targets == 3]
    before, now = ((network_scores(build(n), threes, RULE).argmax(1) == 3).mean() for n in (nodes, after))
    assert before - now > 0.4, (before, now)


def test_a_sigmoid_is_refused_before_training(digits: tuple[Labelled, Labelled]) -> None:
    layers = keras().layers
    image = layers.Input((32, 32, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3)(image))
    model = keras().Model(image, layers.Dense(10, activation="sigmoid", name="scores")(x))
    with pytest.raises(ConversionError, match=r"'scores.*' ends in 'sigmoid'"):
        search_int8(model, _images(digits), RULE, training=lambda: digits[0], method="qat")


def test_the_first_method_within_the_bound_is_chosen(network: Any, digits: tuple[Labelled, Labelled]) -> None:
    search = search_int8(network, _images(digits), RULE, validation=digits[1], max_drop=50)
    assert [step.name for step in search.route] == ["ptq"]
    assert search.within


def test_every_method_is_tried_if_none_stays_within_the_bound(
    network: Any, digits: tuple[Labelled, Labelled], tmp_path: Path
) -> None:
    (tmp_path / "m.tflite").write_bytes(b"old")
    card = ModelCard("digits", LABELS, RULE)
    done = convert_int8(
        network,
        _images(digits),
        tmp_path / "m.tflite",
        card,
        validation=digits[1],
        training=lambda: digits[0],
        qat=QatConfig(epochs=2, learning_rate=1e-3),
        max_drop=-100,
    )
    assert done.search is not None
    names = [step.name for step in done.search.route]
    assert names[0] == "ptq"
    assert names[-2:] == ["qat epoch 1", "qat epoch 2"]
    assert any("bias correction" in name for name in names)
    files = [trial.content for trial in done.search.trials]
    assert len(set(files)) == len(files)  # no conversion is done twice
    assert not done.within
    assert (tmp_path / "m.tflite").read_bytes() == b"old"
    assert done.path.name == "m.over-max-drop.tflite"
    with Classifier.load(done.path) as classifier:
        assert classifier.card.provenance["int8 method"] == done.search.best.step.name
        assert classifier.card.provenance["int8 route"].count(";") == len(names) - 1


def _cut(data: Labelled, count: int) -> Labelled:
    return Labelled(data.pixels[:count], data.targets[:count])


@pytest.mark.parametrize("kind", ["ResourceExhaustedError", "KeyboardInterrupt"])
def test_a_finished_file_is_kept_if_a_later_step_fails(
    network: Any, digits: tuple[Labelled, Labelled], tmp_path: Path, kind: str
) -> None:
    errors: dict[str, BaseException] = {
        "ResourceExhaustedError": tensorflow().errors.ResourceExhaustedError(None, None, _OUT_OF_MEMORY),
        "KeyboardInterrupt": KeyboardInterrupt(),
    }
    steps, messages = iter(range(100)), list[str]()

    def changed(pixels: Any, seed: Any, part: slice, count: int) -> Any:
        if next(steps) == 4:  # the first of the second epoch
            raise errors[kind]
        return pixels

    done = convert_int8(
        network,
        _images(digits),
        tmp_path / "m.tflite",
        ModelCard("digits", LABELS, RULE),
        validation=_cut(digits[1], 50),
        training=lambda: _cut(digits[0], 200),
        method="qat",
        qat=QatConfig(epochs=2, batch_size=64),
        augment=changed,
        say=messages.append,
    )
    assert done.search is not None
    assert done.search.stop is not None
    assert [step.name for step in done.search.route] == ["qat epoch 1"]
    assert done.interrupted == (kind == "KeyboardInterrupt")
    wanted = "Interrupted during qat epoch 2" if done.interrupted else f"qat epoch 2 failed: {kind}: OOM when"
    kept = "Keeping the best file so far: qat epoch 1"
    assert [line for line in messages if line.startswith(wanted) and kept in line]
    with Classifier.load(done.path) as classifier:
        assert classifier.card.provenance["int8 stopped"] == str(done.search.stop)
        assert "\n" not in str(done.search.stop)


def test_ctrl_c_swallowed_by_tensorflow_ends_the_step(network: Any, digits: tuple[Labelled, Labelled]) -> None:
    def training() -> Labelled:
        with suppress(KeyboardInterrupt):  # as in a finalizer
            signal.raise_signal(signal.SIGINT)
        return _cut(digits[0], 100)

    old = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job inherits that it is ignored
    try:
        search = search_int8(network, _images(digits), RULE, training=training, method="qat")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, old)
    assert search.stop is not None
    assert search.stop.interrupted
    assert [step.name for step in search.route] == ["qat epoch 1"]


def test_an_error_before_the_first_file_is_raised(network: Any, digits: tuple[Labelled, Labelled]) -> None:
    def training() -> Labelled:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search_int8(network, _images(digits), RULE, training=training, method="qat")


def test_the_loss_of_one_image_is_accepted_but_max_drop_is_exact(
    network: Any, digits: tuple[Labelled, Labelled]
) -> None:
    """There are twelve images; plain quantization loses one or two that the float network classifies correctly."""
    content = convert(network, "int8", _images(digits), RULE)
    blends = digits[1].pixels[:300] // 2 + digits[1].pixels[297:597] // 2  # of two digits: many are hard to tell
    both_scores = network_scores(network, blends, RULE), file_scores(content, blends, RULE)
    floats, integers = (scores.argmax(axis=1) for scores in both_scores)
    flipped, same = np.flatnonzero(floats != integers), np.flatnonzero(floats == integers)
    assert len(flipped) >= 2

    def goes_on(lost: int, max_drop: float | None) -> bool:
        def stop(line: str) -> None:
            if line.startswith("ptq moving-average"):  # a second step: that is enough
                raise KeyboardInterrupt

        rows = [*flipped[:lost], *same[: 12 - lost]]
        judged = Labelled(blends[rows], floats[rows])
        search = search_int8(network, _images(digits), RULE, validation=judged, max_drop=max_drop, say=stop)
        assert search.trials[0].parity.drop == pytest.approx(100 * lost / 12)
        assert search.within or len(search.trials) > 1
        return len(search.trials) > 1

    assert not goes_on(1, None)
    assert goes_on(2, None)
    assert goes_on(1, 0.5)


def test_quantization_aware_training_repairs_a_bad_conversion(network: Any, digits: tuple[Labelled, Labelled]) -> None:
    """The float network has noise on every kernel, too, so only training can repair it."""
    import copy

    broken = keras().models.clone_model(network)
    weights = copy.deepcopy(network.get_weights())
    rng = np.random.default_rng(0)
    for kernel in (w for w in weights if w.ndim == 4):
        kernel += rng.normal(0, 0.5 * np.abs(kernel).max(), kernel.shape).astype(np.float32)
    broken.set_weights(weights)
    before = search_int8(broken, _images(digits), RULE, validation=digits[1], method="ptq").best.step.accuracy
    after = search_int8(
        broken,
        _images(digits),
        RULE,
        validation=digits[1],
        training=lambda: digits[0],
        method="qat",
        qat=QatConfig(epochs=2, learning_rate=3e-3, distillation=0.0),
    ).best.step.accuracy
    assert after > before + 0.1


def test_features_can_be_part_of_the_distillation(network: Any, digits: tuple[Labelled, Labelled]) -> None:
    def drift(features: float) -> float:
        """Return how far training at a high rate moves the features from the float network's."""
        nodes, ranges, _ = _rounding(network, digits)
        config = QatConfig(epochs=1, learning_rate=5e-3, distillation=0.0, features=features)
        ((after, _),) = train_epochs(nodes, nodes, ranges, lambda nodes: ranges, digits[0], RULE, config)
        name = [features_node(nodes)]
        first, last = (network_scores(build(some, outputs=name), digits[1].pixels, RULE) for some in (nodes, after))
        return float(np.square(first - last).mean())

    assert drift(3.0) < 0.5 * drift(0.0)


def test_without_labels_the_float_network_gives_the_targets(network: Any, digits: tuple[Labelled, Labelled]) -> None:
    search = search_int8(network, _images(digits), RULE)
    assert search.best.parity.float_accuracy == 1.0
    assert search.judged_by == "the float network's answers"


def test_an_unsupported_layer_is_reported_and_the_network_converted(
    digits: tuple[Labelled, Labelled],
) -> None:
    layers = keras().layers
    image = layers.Input((32, 32, 3))
    x = layers.GlobalAveragePooling2D()(layers.SeparableConv2D(8, 3, name="sep")(image))
    model, messages = keras().Model(image, layers.Dense(10, activation="softmax")(x)), []
    search = search_int8(model, _images(digits), RULE, validation=digits[1], max_drop=-100, say=messages.append)
    assert [step.name for step in search.route] == ["ptq"]
    assert sum("'sep' is a SeparableConv2D" in line for line in messages) == 1

    def never() -> Labelled:
        raise AssertionError("pictures were asked for")

    with pytest.raises(ConversionError, match="'sep' is a SeparableConv2D"):
        search_int8(model, _images(digits), RULE, training=never, method="qat")


def test_bad_arguments_are_one_line(network: Any, digits: tuple[Labelled, Labelled]) -> None:
    noise = list(np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3)).astype(np.uint8))
    with pytest.raises(ConversionError, match="are noise"):
        convert(network, "int8", noise, RULE)
    with pytest.raises(ConversionError, match="expected one of auto, ptq, qat"):
        search_int8(network, _images(digits), RULE, method="best")
    with pytest.raises(ConversionError, match="needs training images"):
        search_int8(network, _images(digits), RULE, method="qat")
    small = Labelled(np.zeros((3, 8, 8, 3), np.uint8), np.zeros(3, np.int64))
    with pytest.raises(ConversionError, match="Validation images of 8x8, expected 32x32"):
        search_int8(network, _images(digits), RULE, validation=small)
    for targets in (np.array([0, 1, -1]), np.array([0.0, 1.0, 2.0])):
        with pytest.raises(ConversionError, match="whole numbers from 0"):
            Labelled(np.zeros((3, 32, 32, 3), np.uint8), targets)
    beyond = Labelled(digits[1].pixels[:50], digits[1].targets[:50] + 1)
    with pytest.raises(ConversionError, match="Validation images: target 10 of 10 outputs"):
        search_int8(network, _images(digits), RULE, validation=beyond)
    with pytest.raises(ConversionError, match="Training images: target 10 of 10 outputs"):
        search_int8(network, _images(digits), RULE, training=lambda: beyond, method="qat")
    with pytest.raises(ConversionError, match="Training images: target 10 of 10 outputs"):
        search_int8(network, _images(digits), RULE, training=lambda: beyond, max_drop=-100)
    with pytest.raises(ConversionError, match="Training images of 8x8, expected 32x32"):
        search_int8(network, _images(digits), RULE, training=lambda: small, method="qat")
    with pytest.raises(ConversionError, match="3 images"):
        Labelled(np.zeros((3, 8, 8, 3), np.uint8), np.zeros(2, np.int64))
