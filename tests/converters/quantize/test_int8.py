"""The search for an int8 file, on a network trained on real handwritten digits."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeclf_converters import ConversionError, Labelled, QatConfig, convert_int8, search_int8
from edgeclf_converters.frameworks import keras, tensorflow
from edgeclf_converters.parity.scores import file_scores, network_scores
from edgeclf_converters.tflite.convert import convert
from edgeclf_runtime import Classifier, ModelCard
from tests.converters.quantize.digits_network import RULE, calibration_images

_OUT_OF_MEMORY = """Graph execution error:

Detected at node zeros defined at (most recent call last):
  File "x.py", line 6, in <module>

OOM when allocating tensor
\t [[{{node zeros}}]]"""  # as TensorFlow phrases it

LABELS = tuple("0123456789")


def test_a_sigmoid_is_refused_before_training(digits: tuple[Labelled, Labelled]) -> None:
    layers = keras().layers
    image = layers.Input((32, 32, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3)(image))
    model = keras().Model(image, layers.Dense(10, activation="sigmoid", name="scores")(x))
    with pytest.raises(ConversionError, match=r"'scores.*' ends in 'sigmoid'"):
        search_int8(model, calibration_images(digits), RULE, training=lambda: digits[0], method="qat")


def test_the_first_method_within_the_bound_is_chosen(network: Any, digits: tuple[Labelled, Labelled]) -> None:
    search = search_int8(network, calibration_images(digits), RULE, validation=digits[1], max_drop=50)
    assert [step.name for step in search.route] == ["ptq"]
    assert search.within


def test_every_method_is_tried_if_none_stays_within_the_bound(
    network: Any, digits: tuple[Labelled, Labelled], tmp_path: Path
) -> None:
    (tmp_path / "m.tflite").write_bytes(b"old")
    card = ModelCard("digits", LABELS, RULE)
    done = convert_int8(
        network,
        calibration_images(digits),
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
        if next(steps) == 4:  # the first step of the second epoch
            raise errors[kind]
        return pixels

    done = convert_int8(
        network,
        calibration_images(digits),
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
        search = search_int8(network, calibration_images(digits), RULE, training=training, method="qat")
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
        search_int8(network, calibration_images(digits), RULE, training=training, method="qat")


def test_the_loss_of_one_image_is_accepted_but_max_drop_is_exact(
    network: Any, digits: tuple[Labelled, Labelled]
) -> None:
    """There are twelve images; plain quantization loses one or two that the float network classifies correctly."""
    content = convert(network, "int8", calibration_images(digits), RULE)
    blends = digits[1].pixels[:300] // 2 + digits[1].pixels[297:597] // 2  # blends of two digits: many are ambiguous
    both_scores = network_scores(network, blends, RULE), file_scores(content, blends, RULE)
    floats, integers = (scores.argmax(axis=1) for scores in both_scores)
    flipped, same = np.flatnonzero(floats != integers), np.flatnonzero(floats == integers)
    assert len(flipped) >= 2

    def goes_on(lost: int, max_drop: float | None) -> bool:
        def stop(line: str) -> None:
            if line.startswith("ptq moving-average"):  # the second step, which is enough here
                raise KeyboardInterrupt

        rows = [*flipped[:lost], *same[: 12 - lost]]
        judged = Labelled(blends[rows], floats[rows])
        search = search_int8(network, calibration_images(digits), RULE, validation=judged, max_drop=max_drop, say=stop)
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
    before = search_int8(
        broken, calibration_images(digits), RULE, validation=digits[1], method="ptq"
    ).best.step.accuracy
    after = search_int8(
        broken,
        calibration_images(digits),
        RULE,
        validation=digits[1],
        training=lambda: digits[0],
        method="qat",
        qat=QatConfig(epochs=2, learning_rate=3e-3, distillation=0.0),
    ).best.step.accuracy
    assert after > before + 0.1


def test_without_labels_the_float_network_gives_the_targets(network: Any, digits: tuple[Labelled, Labelled]) -> None:
    search = search_int8(network, calibration_images(digits), RULE)
    assert search.best.parity.float_accuracy == 1.0
    assert search.judged_by == "the float network's answers"


def test_an_unsupported_layer_is_reported_and_the_network_converted(
    digits: tuple[Labelled, Labelled],
) -> None:
    layers = keras().layers
    image = layers.Input((32, 32, 3))
    x = layers.GlobalAveragePooling2D()(layers.SeparableConv2D(8, 3, name="sep")(image))
    model, messages = keras().Model(image, layers.Dense(10, activation="softmax")(x)), []
    search = search_int8(
        model, calibration_images(digits), RULE, validation=digits[1], max_drop=-100, say=messages.append
    )
    assert [step.name for step in search.route] == ["ptq"]
    assert sum("'sep' is a SeparableConv2D" in line for line in messages) == 1

    def never() -> Labelled:
        raise AssertionError("pictures were asked for")

    with pytest.raises(ConversionError, match="'sep' is a SeparableConv2D"):
        search_int8(model, calibration_images(digits), RULE, training=never, method="qat")


def test_bad_arguments_are_one_line(network: Any, digits: tuple[Labelled, Labelled]) -> None:
    noise = list(np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3)).astype(np.uint8))
    with pytest.raises(ConversionError, match="are noise"):
        convert(network, "int8", noise, RULE)
    with pytest.raises(ConversionError, match="expected one of auto, ptq, qat"):
        search_int8(network, calibration_images(digits), RULE, method="best")
    with pytest.raises(ConversionError, match="needs training images"):
        search_int8(network, calibration_images(digits), RULE, method="qat")
    small = Labelled(np.zeros((3, 8, 8, 3), np.uint8), np.zeros(3, np.int64))
    with pytest.raises(ConversionError, match="Validation images of 8x8, expected 32x32"):
        search_int8(network, calibration_images(digits), RULE, validation=small)
    for targets in (np.array([0, 1, -1]), np.array([0.0, 1.0, 2.0])):
        with pytest.raises(ConversionError, match="whole numbers from 0"):
            Labelled(np.zeros((3, 32, 32, 3), np.uint8), targets)
    beyond = Labelled(digits[1].pixels[:50], digits[1].targets[:50] + 1)
    with pytest.raises(ConversionError, match="Validation images: target 10 of 10 outputs"):
        search_int8(network, calibration_images(digits), RULE, validation=beyond)
    with pytest.raises(ConversionError, match="Training images: target 10 of 10 outputs"):
        search_int8(network, calibration_images(digits), RULE, training=lambda: beyond, method="qat")
    with pytest.raises(ConversionError, match="Training images: target 10 of 10 outputs"):
        search_int8(network, calibration_images(digits), RULE, training=lambda: beyond, max_drop=-100)
    with pytest.raises(ConversionError, match="Training images of 8x8, expected 32x32"):
        search_int8(network, calibration_images(digits), RULE, training=lambda: small, method="qat")
    with pytest.raises(ConversionError, match="3 images"):
        Labelled(np.zeros((3, 8, 8, 3), np.uint8), np.zeros(2, np.int64))
