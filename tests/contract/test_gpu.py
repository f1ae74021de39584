"""Every operation of the desktop's work has a GPU kernel in the installed TensorFlow.

No GPU is needed: TensorFlow's package registers its GPU kernels without one, and its library contains the messages with
which it refuses operations under determinism. The work runs on the CPU, on very small inputs; its operations and their
types are recorded. By default options are combined pairwise; ``make test-gpu`` tries all, with every backbone.
"""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeclf import Quiet, export, frameworks, make_config, train
from edgeclf.data.pixel_file import PixelFile
from edgeclf.errors import ConfigError
from edgeclf.frameworks import keras, tensorflow
from edgeclf.model.backbones.registry import BACKBONES
from edgeclf.training.epoch_rows import EpochRows
from edgeclf.training.finetune import FineTuner
from edgeclf.training.starting_network import starting_network
from edgeclf_converters.distribution import Distribution
from edgeclf_converters.quantize.qat import QatConfig
from tests.gpu_operations import Operation, has_kernel, is_refused, recorded, refusals

ALL = bool(os.environ.get("EDGECLF_GPU_ALL"))
TINY: dict[str, object] = {"size": 32, "train_size": 32, "epochs": 1, "batch_size": 6, "validation": 0.2}
OPTIONS: dict[str, tuple[object, ...]] = {
    "tune": ("full", "batch-norm"),
    "head": ("linear", "mixed"),
    "mix": ("none", "mixup", "cutmix", "rand_augment", "camera"),
    "precision": ("float32", "mixed_float16", "mixed_bfloat16"),
    "xla": (False, True),
    "batch_norm": ("frozen", "train"),
}
_CALLS = ("__inference", "__forward", "__backward")
_HOST = {"Assert", "NoOp", "Placeholder"}
"""Nothing is computed by these."""
_FILES = {"MergeV2Checkpoints", "RestoreV2", "SaveV2", "ShardedFilename", "StaticRegexFullMatch", "StringJoin"}
"""Write the network for the converter: files and texts are the processor's, whatever computes."""
_COUNTER = Operation("VarHandleOp", (("dtype", 3),), None, False)
"""tfmot's counter of steps, an int32, which TensorFlow keeps beside the processor on purpose."""
_TEXT = 7  # TensorFlow's number for the type of strings


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six images of two classes."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for label in ("a", "b"):
        (folder / label).mkdir()
        for number in range(6):
            coarse = rng.integers(0, 255, (4, 4, 3), dtype=np.uint8)
            cv2.imwrite(str(folder / label / f"{number}.png"), cv2.resize(coarse, (40, 40)))
    return folder


@pytest.fixture
def quicker(request: pytest.FixtureRequest) -> None:
    """By default a ``shallow`` network with the same kinds of layers; the complete one for ``make test-gpu``."""
    if not ALL:
        request.getfixturevalue("shallow")


def _options(row: tuple[object, ...]) -> dict[str, object]:
    chosen = dict(zip(OPTIONS, row, strict=True))
    mix = str(chosen.pop("mix"))
    return {**TINY, **chosen, **({} if mix == "none" else {mix: True if mix == "camera" else 0.4})}


def _rows() -> list[tuple[object, ...]]:
    """Return all combinations, or enough of them that every pair of values of two options occurs."""
    rows = list(itertools.product(*OPTIONS.values()))
    if ALL:
        return rows
    chosen: list[tuple[object, ...]] = []
    left = {pair for row in rows for pair in _pairs(row)}
    while left:
        chosen.append(max(rows, key=lambda row: len(left & _pairs(row))))
        left -= _pairs(chosen[-1])
    return chosen


def _pairs(row: tuple[object, ...]) -> set[tuple[tuple[int, object], tuple[int, object]]]:
    return set(itertools.combinations(enumerate(row), 2))


def _computed(operations: set[Operation]) -> set[Operation]:
    known = {item for item in operations if item.name not in _HOST | _FILES and not item.name.startswith(_CALLS)}
    return {item for item in known if _TEXT not in dict(item.types).values()} - {_COUNTER}


def _without_kernel(operations: set[Operation]) -> list[str]:
    return sorted(str(item) for item in _computed(operations) if not has_kernel(item))


@pytest.mark.parametrize("row", _rows(), ids=lambda row: "-".join(map(str, row)))
def test_every_operation_of_a_training_step_has_a_gpu_kernel(
    row: tuple[object, ...], quicker: None, tmp_path: Path
) -> None:
    """The step is traced, with its gradients; what precedes it, such as random crops, is run."""
    keras().backend.clear_session()
    config, distribution, rows = make_config(_options(row)), Distribution(), np.arange(6)
    pixels = PixelFile(tmp_path / "pixels", (6, 40, 40))
    with recorded() as operations:
        model = starting_network(config, 2, distribution)
        tuner = FineTuner(model, config, pixels, EpochRows(rows, 0), rows % 2, (1.0, 1.0), distribution)
        batch = tuner._prepared((0, rows))[1]
        tuner._step.get_concrete_function(batch, tensorflow().constant(0.1))
    names = {item.name for item in operations}
    assert {"Conv2DBackpropFilter", "AssignSubVariableOp", "CropAndResize"} <= names
    assert any(item.compiled for item in operations) or not config.xla
    assert _without_kernel(operations) == [], _without_kernel(operations)


@pytest.mark.parametrize("name", list(BACKBONES) if ALL else ["efficientnet-lite0"])
def test_every_operation_outside_training_steps_has_a_gpu_kernel(
    name: str, quicker: None, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = {} if name.startswith("efficientnet-lite") else {"init": "scratch"}  # their weights are not installed
    keras().backend.clear_session()
    monkeypatch.setattr("edgeclf.exporting.int8.QatConfig", lambda **options: QatConfig(**{**options, "epochs": 1}))
    with recorded() as operations:
        run = train(
            photos, tmp_path / "run", make_config({**TINY, "backbone": name, **scratch, "alpha": not scratch}), Quiet()
        )
        export(run, tmp_path / "model.tflite", "int8", Quiet(), method="qat")
    names = {item.name for item in operations}
    assert {"FakeQuantWithMinMaxVarsGradient", "DepthwiseConv2dNativeBackpropFilter"} <= names
    assert _without_kernel(operations) == [], _without_kernel(operations)


def test_operations_refused_under_determinism_are_detected() -> None:
    """The work is the default fine-tuning of 0.1, which turned determinism on, and its quantization-aware training."""
    assert len(refusals()) > 15
    types = (("T", 1), ("U", 1))
    assert is_refused(Operation("FusedBatchNormGradV3", types, False, False))
    assert not is_refused(Operation("FusedBatchNormGradV3", types, True, False))
    for name in ("FakeQuantWithMinMaxVarsGradient", "FakeQuantWithMinMaxVarsPerChannelGradient", "AdjustContrastv2"):
        assert is_refused(Operation(name, (), None, False))
    for name in ("Conv2D", "DepthwiseConv2dNativeBackpropFilter", "FusedBatchNormV3", "CropAndResize"):
        assert not is_refused(Operation(name, (), None, False))
    assert has_kernel(Operation("Conv2D", (("T", 1),), None, False))
    assert not has_kernel(Operation("Conv2D", (("T", 7),), None, False))  # of strings


class _Switch:
    """A replacement of TensorFlow's switch, which cannot be turned off again within a process."""

    def __init__(self) -> None:
        self.on = False

    def __call__(self) -> None:
        self.on = True


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> _Switch:
    """A machine that reports a GPU."""
    switch = _Switch()
    monkeypatch.setattr(frameworks, "has_gpu", lambda: True)
    monkeypatch.setattr("edgeclf.training.fit.has_gpu", lambda: True)
    monkeypatch.setattr("tensorflow.config.experimental.enable_op_determinism", switch)
    return switch


def test_a_training_on_a_gpu_is_seeded_but_not_deterministic(
    quicker: None, gpu: _Switch, photos: Path, tmp_path: Path
) -> None:
    train(photos, tmp_path / "run", make_config(TINY), Quiet())
    assert not gpu.on


def test_steps_through_batch_norm_layers_would_be_refused(
    quicker: None, gpu: _Switch, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With determinism on, as in 0.1, the first step was the last; without the layers it can be on."""
    layers = keras().Model
    monkeypatch.setattr("edgeclf.training.finetune.folded_norms", lambda model, output: layers(model.input, output))
    with recorded() as operations:
        train(photos, tmp_path / "run", make_config(TINY), Quiet())
    assert {item.name for item in operations if is_refused(item)} == {"FusedBatchNormGradV3"}


@pytest.mark.parametrize("options", [{"tune": "full"}, {"tune": "batch-norm", "head": "mixed"}, {"tune": "head"}])
def test_deterministic_training_on_a_gpu_uses_no_refused_operation(
    options: dict[str, object], quicker: None, gpu: _Switch, photos: Path, tmp_path: Path
) -> None:
    with recorded() as operations:
        train(photos, tmp_path / "run", make_config({**TINY, **options, "deterministic": True}), Quiet())
    assert gpu.on
    assert sorted(str(item) for item in operations if is_refused(item)) == []
    assert _without_kernel(operations) == [], _without_kernel(operations)


def test_deterministic_quantization_aware_training_is_refused_before_any_work(
    quicker: None, gpu: _Switch, photos: Path, tmp_path: Path
) -> None:
    run = train(photos, tmp_path / "run", make_config({**TINY, "tune": "head", "deterministic": True}), Quiet())
    before = {path.name for path in tmp_path.iterdir()}
    with pytest.raises(ConfigError, match=r"no repeatable quantization-aware training on a GPU. Pass --method ptq, or"):
        export(run, tmp_path / "model.tflite", "int8", Quiet())
    assert {path.name for path in tmp_path.iterdir()} == before
