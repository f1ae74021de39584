"""The published weights, and files that are not what they seem."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgeclf.errors import ConfigError, WeightsError
from edgeclf.frameworks import keras
from edgeclf.model.backbones.registry import backbone
from edgeclf.model.backbones.torch_weights import read_tensors
from edgeclf.model.network import build_classifier, pretrained_classifier
from edgeclf_runtime import Preprocessing
from edgeclf_runtime.pictures.preprocess import resize
from tests.checkpoints import checkpoint

PINNED = {
    "efficientnet-lite0": (818, [-1.0062, 0.1812, -0.8854, 1.0559, -0.4505]),
    "efficientnet-lite1": (818, [0.0856, -0.9369, -0.7747, 1.2549, -0.0599]),
    "efficientnet-lite2": (782, [-1.1994, -0.1438, -0.8518, 0.2954, -1.7615]),
}


def _waves(size: int) -> np.ndarray:
    y, x = np.mgrid[0:size, 0:size] / size
    waves = np.stack([np.sin(7 * x + 3 * y), np.cos(5 * y - 2 * x), np.sin(9 * x * y)], -1)
    return waves.astype(np.float32)[None]


@pytest.mark.parametrize("name", PINNED)
def test_logits_of_the_published_weights_are_unchanged(name: str) -> None:
    best, few = PINNED[name]
    logits = pretrained_classifier(backbone(name))(_waves(backbone(name).size), training=False).numpy()[0]
    assert logits.argmax() == best
    np.testing.assert_allclose(logits[[0, 207, 500, 701, 999]], few, atol=2e-3)


def test_a_photograph_gets_its_imagenet_class() -> None:
    from sklearn.datasets import load_sample_images

    network = backbone("efficientnet-lite0")
    rule = Preprocessing(network.size, network.size, resize="crop", crop=network.crop)
    images = [resize(np.ascontiguousarray(image), rule) for image in load_sample_images().images]
    logits = pretrained_classifier(network)((np.stack(images).astype(np.float32) - 127) / 128, training=False)
    assert logits.numpy().argmax(axis=1).tolist() == [698, 985]  # palace, daisy


class _Evil:
    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self._mark}",)


def _as_zip(pickled: bytes) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", "3\n")
    return data.getvalue()


@pytest.mark.parametrize("form", [_as_zip, checkpoint])
def test_a_pickle_that_calls_a_function_is_refused(form: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path, mark = tmp_path / "evil.pth", tmp_path / "was-here"
    pickled = pickle.dumps({"weight": _Evil(mark)}, protocol=2)
    path.write_bytes(form(pickled))
    with pytest.raises(WeightsError, match=r"evil\.pth"):
        read_tensors(path)
    assert not mark.exists()
    pickle.loads(pickled)
    assert mark.exists()  # so it would have run


def test_altered_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "lite0.pth"
    path.write_bytes(b"not the published file")
    with pytest.raises(WeightsError):
        pretrained_classifier(backbone("efficientnet-lite0"), path)


def test_an_unknown_backbone_is_refused_in_one_line() -> None:
    with pytest.raises(ConfigError, match="expected one of efficientnet-lite0"):
        backbone("resnet50")


def test_keras_networks_take_their_weights_from_a_file(tmp_path: Path) -> None:
    network = backbone("mobilenet-v3-small-minimalistic")
    published = keras().applications.MobileNetV3Small(
        (64, 64, 3), minimalistic=True, include_top=False, weights=None, include_preprocessing=False
    )
    published.save_weights(tmp_path / "weights.h5")
    model = build_classifier(network, 64, 2)
    network.load(model, network.name, tmp_path / "weights.h5")
    features = keras().Model(model.input, model.get_layer("pool").output)
    wanted = published(_waves(64), training=False).numpy().mean(axis=(1, 2))
    np.testing.assert_allclose(features(_waves(64), training=False), wanted, atol=1e-5)
    with pytest.raises(WeightsError, match=r"not the weights of mobilenet-v2"):
        backbone("mobilenet-v2").load(model, "mobilenet-v2", tmp_path / "weights.h5")
    with pytest.raises(WeightsError, match="no such weights file"):
        network.load(model, network.name, tmp_path / "none.h5")


def test_weights_that_cannot_be_downloaded_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # without Keras's own cache
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nothing listens there
    network = backbone("mobilenet-v2")
    with pytest.raises(WeightsError, match=r"cannot be downloaded .*--weights FILE.h5"):
        network.load(network.build("mobilenet-v2", 32), "mobilenet-v2", None)
