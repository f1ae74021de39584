"""A training from a given weights file: it names the file, resumes without it, and its network becomes a model file."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeclf import Quiet, Run, WeightsError, export, export_pretrained, make_config, resume, train
from edgeclf.model.backbones.registry import BACKBONES
from edgeclf_converters.edgetpu.check import check_edgetpu
from edgeclf_converters.errors import ConversionError
from edgeclf_runtime.model.file import read_model
from tests.conftest import SMALL
from tests.edgeclf.model.test_backbones_fold import check_folded
from tests.listening import Interrupting
from tests.random_weights import write_random_weights

NAMES = [name for name, entry in BACKBONES.items() if entry.repository]


@pytest.mark.parametrize("name", NAMES)
def test_a_folded_network_keeps_its_function(name: str) -> None:
    check_folded(name)


@pytest.fixture(scope="module", params=NAMES)
def named(request: pytest.FixtureRequest, digits: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A backbone, and a file of weights for it."""
    images = np.stack([cv2.resize(cv2.imread(str(path)), (64, 64)) for path in sorted(digits.rglob("*.png"))])
    return request.param, write_random_weights(
        request.param, images, tmp_path_factory.mktemp("w") / "model.safetensors"
    )


def test_an_interrupted_training_goes_on_without_the_file(
    named: tuple[str, Path], digits: Path, tmp_path: Path
) -> None:
    name, kept = named
    file = Path(shutil.copy(kept, tmp_path / "given.safetensors"))
    # Decays towards the pretrained scales, which therefore must be known after the interruption.
    config = make_config({**SMALL, "backbone": name, "weights": file, "tune": "batch-norm"})
    whole = train(digits, tmp_path / "whole", config, Quiet())
    stopped = train(digits, tmp_path / "stopped", config, Interrupting("Fine-tuning", after=61))
    assert stopped.read_json("metrics")["status"] == "interrupted"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    file.unlink()
    resumed = resume(stopped.path, Quiet())
    before, after = whole.read_arrays("weights"), resumed.read_arrays("weights")
    assert all((before[key] == after[key]).all() for key in before)
    assert not resumed.has_arrays("start")
    _check_file(resumed, tmp_path / "model.tflite", digest)
    with pytest.raises(WeightsError, match=r"given.safetensors: cannot be read .*hf download timm/"):
        train(digits, tmp_path / "anew", config, Quiet())
    assert not (tmp_path / "anew").exists()


def _check_file(run: Run, path: Path, digest: str) -> None:
    export(run, path, "int8", Quiet(), method="ptq")
    origin = read_model(path).card.provenance
    assert (origin["weights"], origin["weights_sha256"]) == ("given.safetensors", digest)
    assert check_edgetpu(path.read_bytes()).problems == ()


def test_the_published_classifier_becomes_a_file(named: tuple[str, Path], digits: Path, tmp_path: Path) -> None:
    name, file = named
    done = export_pretrained(name, tmp_path / "calibrated.tflite", "int8", Quiet(), weights=file, photographs=digits)
    card = read_model(done.path).card
    assert len(card.labels) == 1000
    assert card.provenance["weights"] == "model.safetensors"
    np.testing.assert_allclose(card.preprocessing.mean, BACKBONES[name].mean)
    data_free = tmp_path / "data-free.tflite"
    if name == "hgnetv2-b0":
        with pytest.raises(ConversionError, match=r"hgnetv2-b0: .*no batch norm.* Pass --calibration DIR\.$"):
            export_pretrained(name, data_free, "int8", Quiet(), weights=file)
        assert not data_free.exists()
    else:
        assert export_pretrained(name, data_free, "int8", Quiet(), weights=file).path.exists()
