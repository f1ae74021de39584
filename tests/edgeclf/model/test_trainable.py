"""Which weights are trained: only scales, mixed heads, interpolated networks, random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeclf import Quiet, Run, export, make_config, resume, train
from edgeclf.data.pixel_file import PixelFile
from edgeclf.errors import ConfigError
from edgeclf.frameworks import keras, tensorflow
from edgeclf.model.backbones.registry import BACKBONES
from edgeclf.model.network import HEAD, MIX, build_classifier, get_weights
from edgeclf.model.trainable import Full, Scale, trained_share
from edgeclf.training.epoch_rows import EpochRows
from edgeclf.training.finetune import FineTuner
from edgeclf.training.weight_interpolation import ALPHAS, StatisticsMeter, interpolated
from edgeclf_converters.distribution import Distribution
from edgeclf_runtime import Classifier
from tests.conftest import SMALL
from tests.listening import Interrupting

LITE0 = BACKBONES["efficientnet-lite0"]


@pytest.fixture(scope="module")
def pretrained() -> Any:
    """Lite0 with its ImageNet weights, a mixed head and three classes."""
    model = build_classifier(LITE0, 64, 3, "mixed")
    LITE0.load(model, LITE0.name, None)
    return model


@pytest.fixture(scope="module")
def scaled(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A training of scales and a mixed head with alpha, interrupted halfway and resumed."""
    config = {**SMALL, "tune": "batch-norm", "head": "mixed", "alpha": True, "mixup": 0.2, "learning_rate": 1e-3}
    config["freeze_stride"] = 4
    folder = tmp_path_factory.mktemp("scaled") / "run"
    train(digits, folder, make_config(config), Interrupting("Fine-tuning", after=61))
    return resume(folder, Quiet())


def test_training_batch_norm_leaves_convolutions_unchanged(scaled: Run, pretrained: Any) -> None:
    before, after = get_weights(pretrained), scaled.read_arrays("weights")
    convolutions = [name for name in before if "conv" in name and "kernel" in name]
    assert len(convolutions) > 40
    assert all((before[name] == after[name]).all() for name in convolutions)
    gammas = [name for name in before if "gamma" in name]
    changed = [name for name in gammas if (before[name] != after[name]).any()]
    assert len(changed) > 35
    early = ("stem_", "block0_", "block1_", "block2_")  # larger than an eighth of the input
    assert not [name for name in changed if name.startswith(early)]


def test_training_batch_norm_trains_few_parameters(scaled: Run) -> None:
    metrics = scaled.read_json("metrics")
    head = 1280 * 1280 + 1280 + 1280 * 3 + 3
    assert metrics["trained_parameters"] - head < 0.03 * metrics["parameters"]
    linear = build_classifier(LITE0, 64, 6)
    assert trained_share(linear, "head")[0] == 1280 * 6 + 6
    assert trained_share(build_classifier(LITE0, 64, 6, "mixed"), "head")[0] == 1280 * 6 + 6
    full, total = trained_share(linear, "full")
    assert full == total == trained_share(linear, "batch-norm")[1]


@pytest.mark.parametrize(("options", "last"), [({}, 1.0), ({"ema": 0}, 0.0), ({"tune": "full"}, 0.0)])
def test_averaged_scales_keep_a_high_rate(
    shallow: None, options: dict[str, object], last: float, tmp_path: Path
) -> None:
    config = make_config({**SMALL, "tune": "batch-norm", "learning_rate": 1e-3, **options})
    pixels = PixelFile(tmp_path / "pixels", (42, 64, 64))
    targets = np.arange(42) % 3
    model = build_classifier(LITE0, None, 3)
    tuner = FineTuner(model, config, pixels, EpochRows(np.arange(42), 0), targets, [1.0] * 3, Distribution("none"))
    rates = [float(tuner._optimizer.learning_rate) for number in range(2) for _ in tuner.epoch(number)]
    assert max(rates) <= 1e-3 * 1.001
    assert rates[-1] == pytest.approx(last * 1e-3, abs=1e-6)


def test_the_alpha_of_the_lowest_loss_is_kept(scaled: Run) -> None:
    history, metrics = scaled.read_json("history"), scaled.read_json("metrics")
    tried = [item for item in history if "alpha" in item]
    assert [item["alpha"] for item in tried] == list(ALPHAS)
    assert metrics["alpha"] in (None, *ALPHAS)
    tuned = [item for item in history if item["kept"] and "alpha" not in item][-1]
    best = min([tuned, *tried], key=lambda item: item["validation_log_loss"])
    assert (metrics["best_epoch"], metrics["alpha"]) == (best["epoch"], best.get("alpha"))
    assert metrics["validation"]["accuracy"] == pytest.approx(best["validation_accuracy"])
    assert {path.name for path in scaled.path.glob("*.npz")} == {"weights.npz", "scores.npz", "digests.npz"}


def test_ctrl_c_while_alphas_are_tried_leaves_a_usable_run(shallow: None, digits: Path, tmp_path: Path) -> None:
    config = make_config({**SMALL, "epochs": 1, "alpha": True})
    run = train(digits, tmp_path / "run", config, Interrupting("Alpha", after=3))
    assert run.read_json("metrics")["status"] == "interrupted"
    assert (run.path / "report.html").exists()
    again = resume(run.path, Interrupting("Alpha", after=3))  # once more: the figures are those of the kept weights
    kept = [item for item in again.read_json("history") if item["kept"]][-1]
    figures = again.read_json("metrics")["validation"]
    assert figures["log_loss"] == pytest.approx(kept["validation_log_loss"], rel=1e-3)
    done = resume(run.path, Quiet())
    assert done.read_json("metrics")["status"] == "finished"
    assert [item["alpha"] for item in done.read_json("history") if "alpha" in item] == list(ALPHAS)


def test_a_mixed_head_keeps_its_accuracy_in_the_int8_file(scaled: Run, tmp_path: Path) -> None:
    done = export(scaled, tmp_path / "m.tflite", "int8", Quiet())
    assert done.bytes == done.path.stat().st_size  # with the examples, which are added last
    accuracy = done.card.accuracy
    assert accuracy["validation_int8"] >= accuracy["validation_float"] - 0.12  # one image of nine
    assert accuracy["validation_float"] >= 0.75
    with Classifier.load(done.path) as classifier:
        assert len(classifier.golden) > 0


def test_a_mixed_head_computes_the_published_formula(pretrained: Any) -> None:
    """The formula is 0.2 x + 0.8 relu(V x + c); the factor 0.2 is in the next layer."""
    x = np.random.default_rng(0).normal(size=(4, 1280)).astype(np.float32)
    kernel, bias = pretrained.get_layer(MIX).get_weights()
    wanted = 0.2 * x + 0.8 * np.maximum(x @ (kernel / 4) + bias / 4, 0)
    inner = keras().Model(pretrained.get_layer("pool").output, pretrained.get_layer(HEAD).input)
    assert np.allclose(0.2 * inner(x).numpy(), wanted, atol=1e-4)
    glorot = np.sqrt(6 / 2560)
    assert 0.95 * glorot < np.abs(kernel / 4).max() <= glorot


def test_a_gradient_step_is_proportional_to_the_pretrained_scale(pretrained: Any) -> None:
    scale, tf = Scale(pretrained), tensorflow()
    before = [gamma.numpy() for gamma in scale.sources[:3]]
    gradients = scale.gradients([tf.ones_like(source) for source in scale.sources])
    assert all(np.array_equal(g.numpy(), gamma) for g, gamma in zip(gradients, before, strict=False))
    scale.variables[0].assign_add(tf.fill(scale.variables[0].shape, 0.5))
    scale.apply()
    assert np.allclose(scale.sources[0].numpy(), 1.5 * before[0])
    scale.variables[0].assign(tf.zeros_like(scale.variables[0]))
    scale.apply()
    assert np.array_equal(scale.sources[0].numpy(), before[0])


def test_weights_decay_towards_the_chosen_point(pretrained: Any) -> None:
    weights = {id(v): v.numpy() for v in pretrained.trainable_variables}
    anchored = Full(pretrained, "pretrained").decayed
    to_itself = [np.array_equal(anchor.numpy(), weights[id(v)]) for v, anchor in anchored]
    assert sum(to_itself) == len(to_itself) - 2  # all kernels but the two of the head
    assert all(not anchor.numpy().any() for _, anchor in Full(pretrained, "zero").decayed)
    names = {v.name.rpartition("/")[2] for v, _ in anchored}
    assert names == {"kernel:0", "depthwise_kernel:0"}


def test_weights_are_interpolated_linearly() -> None:
    before = {"a/kernel:0": np.zeros(3, np.float32), "b/moving_mean:0": np.zeros(2, np.float32)}
    after = {"a/kernel:0": np.full(3, 2, np.float32), "b/moving_mean:0": np.full(2, 5, np.float32)}
    half = interpolated(before, after, 0.5)
    assert (half["a/kernel:0"] == 1).all()
    assert (half["b/moving_mean:0"] == 5).all()
    assert all((interpolated(before, after, 1.0)[name] == after[name]).all() for name in after)


def test_batch_norm_statistics_are_measured_on_the_images() -> None:
    layers = keras().layers
    image = layers.Input((8, 8, 3))
    model = keras().Model(image, layers.BatchNormalization(momentum=0.9)(image))
    pixels = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 3)).astype(np.uint8)
    pixels[..., 1] //= 2
    StatisticsMeter(model, lambda batch: tensorflow().cast(batch, "float32")).measure(pixels, np.arange(64))
    norm = model.layers[1]
    assert np.allclose(norm.moving_mean, pixels.mean(axis=(0, 1, 2)), rtol=1e-4)
    assert np.allclose(norm.moving_variance, pixels.astype(float).var(axis=(0, 1, 2)), rtol=1e-3)
    assert norm.momentum == 0.9


@pytest.mark.parametrize(
    ("options", "trained"),
    [({}, False), ({"tune": "batch-norm", "batch_norm": "train"}, True), ({"init": "scratch"}, True)],
)
def test_batch_norm_is_trained_on_request_or_from_scratch(options: dict[str, object], trained: bool) -> None:
    assert make_config(options).trains_batch_norm == trained


@pytest.mark.slow
def test_training_from_scratch_uses_no_pretrained_weights(digits: Path, tmp_path: Path, pretrained: Any) -> None:
    config = make_config({**SMALL, "init": "scratch", "epochs": 1, "ema": 0, "cutmix": 1.0, "rand_augment": 5})
    run = train(digits, tmp_path / "run", config, Quiet())
    before, after = get_weights(pretrained), run.read_arrays("weights")
    kernel = "block5_project_conv/kernel:0"
    assert abs(np.corrcoef(before[kernel].ravel(), after[kernel].ravel())[0, 1]) < 0.05
    assert np.isfinite(after[kernel]).all()
    with pytest.raises(ConfigError, match="need pretrained weights, but init is scratch"):
        make_config({"init": "scratch", "tune": "head"})
    with pytest.raises(ConfigError, match="freeze_stride keeps ImageNet's weights, but init is scratch"):
        make_config({"init": "scratch", "freeze_stride": 4})
    with pytest.raises(ConfigError, match="tune head does not fine-tune"):
        make_config({"tune": "head", "alpha": True})
    with pytest.raises(ConfigError, match="needs tune full"):
        make_config({"decay_towards": "pretrained", "tune": "batch-norm"})


@pytest.mark.slow
def test_training_in_half_precision_reaches_the_same_accuracy(digits: Path, tmp_path: Path) -> None:
    changed = {"precision": "mixed_bfloat16", "decay_towards": "pretrained", "xla": True, "epochs": 1}
    config = make_config({**SMALL, **changed})
    run = train(digits, tmp_path / "run", config, Quiet())
    assert keras().mixed_precision.global_policy().name == "float32"
    weights = run.read_arrays("weights")
    assert {value.dtype for value in weights.values()} == {np.dtype(np.float32)}
    assert run.read_json("metrics")["validation"]["accuracy"] >= 0.75
