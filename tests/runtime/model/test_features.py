"""Features, the input of the last layer, as a second output of the network in memory."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from edgeclf_runtime import Classifier, ModelError
from edgeclf_runtime.backends.opening import open_backend
from edgeclf_runtime.model.features import feature_tensor, with_features
from edgeclf_runtime.model.file import read_model
from edgeclf_runtime.model.flatbuffer import read_flat_model
from tests.model_files import bare

FILES = Path(__file__).parents[1] / "files"


@pytest.mark.parametrize("kind", ["model", "float_model"])
def test_scores_stay_and_features_are_the_last_layers_input(kind: str, request: pytest.FixtureRequest) -> None:
    content = request.getfixturevalue(kind).read_bytes()
    longer, found = with_features(content), feature_tensor(content)
    assert longer is not None
    assert found is not None
    assert found[1].shape == (1, 1280)
    plain, both, reference = open_backend("auto", content, 1), open_backend("auto", longer, 1), _all_tensors(content)
    batch = np.random.default_rng(0).integers(0, 255, plain.input.shape).astype(plain.input.dtype)
    scores, features = both.invoke_with_features(batch)
    assert np.array_equal(scores, plain.invoke(batch))
    assert features is not None
    assert np.array_equal(features.reshape(-1), reference(batch, found[0]))
    assert plain.invoke_with_features(batch)[1] is None
    file = read_model(request.getfixturevalue(kind))
    assert file.network is not None
    assert file.network < len(content)
    short = with_features(content, file.network)  # without the zip
    assert short is not None
    assert len(short) <= file.network + 16
    assert np.array_equal(open_backend("auto", short, 1).invoke_with_features(batch)[1], features)
    assert with_features(bare(request.getfixturevalue(kind))) is not None


def _all_tensors(content: bytes):
    """Return a function that gives the values of any tensor of the network."""
    from ai_edge_litert.interpreter import Interpreter

    with warnings.catch_warnings():  # about the memory that it takes
        warnings.simplefilter("ignore")
        interpreter = Interpreter(model_content=content, experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()

    def value(batch: np.ndarray, index: int) -> np.ndarray:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], batch)
        interpreter.invoke()
        return interpreter.get_tensor(index).reshape(-1)

    return value


def test_several_interpreters_give_them_too(model: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    with Classifier.load(model, features=True) as one, Classifier.load(model, features=True, lanes=2) as two:
        first, second = one.classify(pixels).features, two.classify(pixels).features
    assert first is not None
    assert second is not None
    assert first.shape == (1280,)
    assert first.dtype == np.float32
    assert np.array_equal(first, second)


@pytest.mark.parametrize("name", ["shares.tflite"])
def test_a_network_without_such_a_layer_has_none(name: str) -> None:
    content = (FILES / name).read_bytes()
    assert with_features(content) is None
    with Classifier.load(FILES / name, labels=("r", "g", "b"), mean=0.0, std=255.0, features=True) as classifier:
        assert classifier.classify(np.zeros((8, 8, 3), np.uint8)).features is None


def test_a_damaged_file_is_refused_or_read_but_never_crashes(model: Path) -> None:
    content, rng = bare(model), np.random.default_rng(0)
    for place in rng.integers(0, len(content), 60):
        broken = bytearray(content)
        broken[place] ^= 0xFF
        try:
            read_flat_model(bytes(broken))
            with_features(bytes(broken))
        except ModelError:
            continue
    for cut in (8, 100, len(content) // 2):
        with pytest.raises(ModelError):
            read_flat_model(content[:cut])
