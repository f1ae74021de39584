"""Our networks compute what timm's own PyTorch code computes, from the same random weights.

``make test-networks`` builds the environment with PyTorch and timm; without it the tests are skipped.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeclf.model.backbones.registry import BACKBONES
from edgeclf.model.network import HEAD, build_classifier

ROOT = Path(__file__).parents[2]
NETWORKS = {name: entry.repository.removeprefix("timm/") for name, entry in BACKBONES.items() if entry.repository}
_CLOSE = 1e-4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the weights, images and logits that ``timm_networks.py`` writes."""
    python, made = ROOT / ".venv-torch" / "bin" / "python", tmp_path_factory.mktemp("timm")
    if not python.exists():
        pytest.skip(f"no {python.relative_to(ROOT)}: make test-networks builds it")
    script, named = (
        Path(__file__).parent / "timm_networks.py",
        [f"{name}={called}" for name, called in NETWORKS.items()],
    )
    done = subprocess.run([python, script, made, *named], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return made


def _filled(name: str, folder: Path) -> Any:
    entry = BACKBONES[name]
    model = build_classifier(entry, None, 1000)
    head = entry.load(model, name, folder / f"{name}.safetensors")
    assert head is not None
    model.get_layer(HEAD).set_weights(list(head))
    return model


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_agrees_with_timm(name: str, folder: Path) -> None:
    model, made = _filled(name, folder), np.load(folder / f"{name}.npz")
    sizes = [key.removeprefix("images_") for key in made if key.startswith("images_")]
    assert len(sizes) == 2
    for size in sizes:
        wanted = made[f"logits_{size}"]
        assert np.abs(wanted[0] - wanted[1]).max() > 200 * _CLOSE  # it reacts to the images
        np.testing.assert_allclose(model(made[f"images_{size}"], training=False), wanted, rtol=0, atol=_CLOSE)


@pytest.mark.parametrize("name", NETWORKS)
def test_images_are_prepared_as_timm_does(name: str, folder: Path) -> None:
    entry, timm = BACKBONES[name], json.loads((folder / f"{name}.json").read_text("utf-8"))
    np.testing.assert_allclose(np.array(entry.mean) / 255, timm["mean"], atol=1e-9)
    np.testing.assert_allclose(np.array(entry.std) / 255, timm["std"], atol=1e-9)
    assert [3, entry.size, entry.size] == timm["input_size"]
    assert entry.crop == timm["crop_pct"]
    assert entry.repository == timm["hf_hub_id"]
