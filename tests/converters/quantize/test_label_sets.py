"""Int8 of a network with several labels per image: with sigmoids, judged by mean average precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgeclf_converters import ConversionError, Labelled, QatConfig, search_int8
from edgeclf_converters.frameworks import keras
from edgeclf_converters.parity.label_sets import average_precisions, compare_sets
from edgeclf_converters.parity.scores import file_scores
from edgeclf_runtime.model.flatbuffer import read_flat_model
from tests.converters.quantize.digits_network import RULE, calibration_images


def _about(data: Labelled) -> Labelled:
    """Label digits as even, above four, and with a loop."""
    digits = data.classes
    return Labelled(data.pixels, np.stack([digits % 2 == 0, digits > 4, np.isin(digits, (0, 6, 8, 9))], axis=1))


@pytest.fixture(scope="module")
def sets(digits: tuple[Labelled, Labelled]) -> tuple[Labelled, Labelled]:
    return _about(digits[0]), _about(digits[1])


@pytest.fixture(scope="module")
def network(sets: tuple[Labelled, Labelled]) -> Any:
    keras().utils.set_random_seed(0)
    layers = keras().layers
    image = layers.Input((32, 32, 3))
    x = layers.Conv2D(16, 3, strides=2, activation="relu")(image)
    x = layers.Conv2D(24, 3, strides=2, activation="relu")(x)
    x = layers.Conv2D(32, 3, strides=2, activation="relu")(x)
    x = layers.Dense(3, activation="sigmoid", name="scores")(layers.Flatten()(x))
    model = keras().Model(image, x)
    model.compile(keras().optimizers.Adam(3e-3), "binary_crossentropy")
    train = sets[0]
    model.fit((train.pixels.astype(np.float32) - 127) / 128, train.presence.astype(np.float32), 64, 4, verbose=0)
    return model


@pytest.mark.parametrize("method", ["ptq", "qat"])
def test_an_int8_file_keeps_the_labels(
    method: str, network: Any, sets: tuple[Labelled, Labelled], digits: tuple[Labelled, Labelled]
) -> None:
    train, validation = sets
    options: dict[str, Any] = {"training": lambda: train, "qat": QatConfig(epochs=1)} if method == "qat" else {}
    done = search_int8(
        network, calibration_images(digits), RULE, validation=validation, method=method, max_drop=1.0, **options
    )
    assert done.best.step.name.startswith(method)
    parity, presence = done.best.parity, validation.presence
    assert presence is not None
    assert parity.float_accuracy > 0.9
    assert parity.drop < 1.0
    model = read_flat_model(done.best.content)
    assert (model.last_operator, model.outputs[0].dtype) == (14, "uint8")
    scores = file_scores(done.best.content, validation.pixels, RULE)
    assert parity.int8_accuracy == pytest.approx(average_precisions(scores, presence).mean(), abs=1e-6)
    assert {flip.row for flip in parity.flips} <= set(range(len(presence)))


def test_labels_of_another_kind_are_refused(
    network: Any, sets: tuple[Labelled, Labelled], digits: tuple[Labelled, Labelled]
) -> None:
    calibration = calibration_images(digits)
    with pytest.raises(ConversionError, match="ends in 'sigmoid'; quantization-aware training needs a softmax"):
        search_int8(
            network,
            calibration,
            RULE,
            validation=Labelled(digits[1].pixels, digits[1].classes % 3),
            method="qat",
            training=lambda: Labelled(digits[0].pixels, digits[0].classes % 3),
        )
    softmax = keras().Model(network.input, keras().layers.Softmax()(network.output))
    with pytest.raises(ConversionError, match=r"several labels needs a network that ends in a layer Activation"):
        search_int8(softmax, calibration, RULE, validation=sets[1], method="qat", training=lambda: sets[0])
    two = Labelled(sets[1].pixels, sets[1].presence[:, :2])
    with pytest.raises(ConversionError, match="Validation images: 2 labels for 3 outputs"):
        search_int8(network, calibration, RULE, validation=two, method="ptq")


def test_average_precision_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(0)
    scores = np.round(rng.random((200, 5)), 1)  # with many equal scores, as in an int8 file
    presence = rng.random((200, 5)) < (0.5, 0.3, 0.1, 0.02, 0.0)
    ours = average_precisions(scores, presence)
    expected = [average_precision_score(presence[:, i], scores[:, i]) for i in range(4)]
    assert ours[:4] == pytest.approx(expected)
    assert np.isnan(ours[4])


def test_a_comparison_counts_images_whose_answers_changed() -> None:
    presence: npt.NDArray[np.bool_] = np.array([[1, 0], [0, 1], [1, 1], [0, 0]], np.bool_)
    before = np.where(presence, 0.9, 0.1)
    after = before.copy()
    after[2, 1], after[3, 0] = 0.3, 0.35
    parity = compare_sets(before, after, presence, (0.4, 0.4))
    assert (parity.count, parity.float_accuracy, parity.lost, parity.won) == (4, 1.0, 1, 0)
    assert [(flip.row, flip.target, flip.float_class, flip.int8_class) for flip in parity.flips] == [
        (2, (0, 1), (0, 1), (0,))
    ]
    assert parity.drop == pytest.approx(0.0)
    assert parity.low <= parity.drop <= parity.high
    after[2, 1] = 0.05
    assert compare_sets(before, after, presence).drop > 10
