"""Weights files provided by the user: a good one fills the network, and others are refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save, save_file

from edgeclf.errors import WeightsError
from edgeclf.model.backbones.hgnetv2 import with_scales_moved
from edgeclf.model.backbones.registry import BACKBONES
from edgeclf.model.backbones.timm_weights import UnfitError, expected_tensors
from edgeclf.model.network import build_classifier

NAME = "mobilenetv4-conv-small"
FETCH = r"hf download timm/mobilenetv4_conv_small.e2400_r224_in1k model.safetensors --local-dir mobilenetv4-conv-small"
Tensors = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def network() -> Any:
    return build_classifier(BACKBONES[NAME], None, 3)


@pytest.fixture(scope="module")
def tensors(network: Any) -> Tensors:
    """Tensors with the network's names and shapes, and a counter that timm also stores."""
    rng = np.random.default_rng(0)
    made = {name: rng.uniform(0.5, 1, shape).astype(np.float32) for name, shape in expected_tensors(network).items()}
    return {**made, "bn1.num_batches_tracked": np.array(7, np.int64)}


def _load(network: Any, path: Path | None) -> Any:
    return BACKBONES[NAME].load(network, NAME, path)


def test_a_file_fills_the_network(network: Any, tensors: Tensors, tmp_path: Path) -> None:
    save_file(tensors, tmp_path / "model.safetensors")
    kernel, bias = _load(network, tmp_path / "model.safetensors")
    assert (kernel == tensors["classifier.weight"].T).all()
    assert (bias == tensors["classifier.bias"]).all()
    stem, kept = network.get_layer("conv_stem").get_weights()[0], tensors["conv_stem.weight"]
    assert (stem == kept.transpose(2, 3, 1, 0)).all()
    depthwise = network.get_layer("blocks_2_0_dw_mid_conv").get_weights()[0]
    assert (depthwise == tensors["blocks_2_0_dw_mid_conv.weight"].transpose(2, 3, 0, 1)).all()
    gamma, beta, mean, variance = network.get_layer("norm_head").get_weights()
    parts = ("weight", "bias", "running_mean", "running_var")
    for ours, part in zip((gamma, beta, mean, variance), parts, strict=True):
        assert (ours == tensors[f"norm_head.{part}"]).all()


def test_half_precision_is_taken(network: Any, tensors: Tensors, tmp_path: Path) -> None:
    save_file({name: value.astype(np.float16) for name, value in tensors.items()}, tmp_path / "half.safetensors")
    kernel, _ = _load(network, tmp_path / "half.safetensors")
    assert kernel.dtype == np.float32
    np.testing.assert_allclose(kernel, tensors["classifier.weight"].T, rtol=1e-3)


def _changed(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Tensors], bytes]:
    return lambda tensors: save({**tensors, name: change(tensors[name])})


def _with(value: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda tensor: np.where(np.arange(tensor.size).reshape(tensor.shape) == 1, np.float32(value), tensor)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            lambda made: save({n: made[n] for n in made if not n.startswith("blocks_0")}),
            r"10 of its 232 tensors are mi",
        ),
        (
            lambda made: save({**made, "blocks.9.0.conv.weight": made["bn1.bias"]}),
            "1 tensor more than it has, such as blocks_9_0_conv.weight",
        ),
        (
            _changed("classifier.weight", lambda value: value[:10].copy()),
            r"\(classifier.weight is \[10, 1280\], not \[10",
        ),
        (_changed("bn1.bias", _with(np.nan)), "its bn1.bias has numbers that are not finite"),
        (_changed("bn1.running_var", _with(-1)), "its bn1.running_var has variances below 0"),
        (_changed("bn1.bias", lambda value: value.astype(np.int32)), "its bn1.bias is int32, not float"),
        (lambda made: save(made)[:-5], "is damaged or no .safetensors file"),
        (lambda made: b"", "is damaged or no .safetensors file"),
        (lambda made: b"PK\x03\x04 as torch.save writes it", "is a pickle, which could run a program"),
        (lambda made: b"\x80\x02 as it once did", "is a pickle, which could run a program"),
    ],
)
def test_another_file_is_refused(
    content: Callable[[Tensors], bytes], words: str, network: Any, tensors: Tensors, tmp_path: Path
) -> None:
    (tmp_path / "model.safetensors").write_bytes(content(tensors))
    before = network.get_layer("norm_head").get_weights()
    with pytest.raises(WeightsError, match=rf"^\S+model\.safetensors: .*{words}.*{FETCH}$"):
        _load(network, tmp_path / "model.safetensors")
    after = network.get_layer("norm_head").get_weights()
    assert all((a == b).all() for a, b in zip(before, after, strict=True))  # refused before anything was changed


def test_a_header_may_begin_like_a_pickle(network: Any, tensors: Tensors, tmp_path: Path) -> None:
    made = (save(tensors, {"made by": "a" * count}) for count in range(0, 300, 8))
    (tmp_path / "model.safetensors").write_bytes(next(content for content in made if content[0] == 0x80))
    _load(network, tmp_path / "model.safetensors")


def test_without_a_file_the_command_that_fetches_it_is_named(network: Any, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=rf"^{NAME} comes without weights.*{FETCH} and pass --weights "):
        _load(network, None)
    with pytest.raises(WeightsError, match=rf"gone: cannot be read \(No such file or directory\).*{FETCH}$"):
        _load(network, tmp_path / "gone")


def test_the_scale_after_a_residual_block_moves_into_its_norm() -> None:
    layer = "stages_2_blocks_1_aggregation_1"  # the only residual block of hgnetv2-b0
    numbers = {"lab.scale": [2.0], "lab.bias": [5.0], "bn.weight": [1.0, -3.0], "bn.bias": [0.5, 4.0]}
    given = {f"{layer}_{part}": np.array(values, np.float32) for part, values in numbers.items()}
    moved = {name.removeprefix(f"{layer}_"): value.tolist() for name, value in with_scales_moved(given).items()}
    assert moved == {"lab.scale": [1.0], "lab.bias": [5.0], "bn.weight": [2.0, -6.0], "bn.bias": [1.0, 8.0]}
    with pytest.raises(UnfitError, match=r"aggregation_1_lab\.scale is not above 0"):
        with_scales_moved({**given, f"{layer}_lab.scale": np.array([-2.0], np.float32)})


@pytest.mark.parametrize("name", ["efficientnet-lite0", "mobilenet-v2"])
def test_a_backbone_with_weights_of_its_own_refuses_the_file(name: str, network: Any) -> None:
    words = (
        f"{name} takes no .safetensors file. Leave --weights out, or name the file's --backbone: efficientnet-es, mob"
    )
    with pytest.raises(WeightsError, match=words):
        BACKBONES[name].load(network, name, Path("model.safetensors"))
