"""Write random weights of timm's networks, images, and timm's logits for them; run with the Python of ``.venv-torch``.

python timm_networks.py FOLDER NAME=MODEL...

Writes ``FOLDER/NAME.safetensors``; ``NAME.npz`` with ``images_SIZE``, float32 ``[2, SIZE, SIZE, 3]``, normalized, and
``logits_SIZE`` ``[2, 1000]``; and ``NAME.json``, timm's preprocessing for the published weights.
"""

from __future__ import annotations

import json
import sys
import types
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import torch

SIZES = (224, 161)  # maps that stay even down to 7x7, and odd ones


class _Absent(type):
    """A class that is never used; its attributes are their names."""

    def __getattr__(cls, name: str) -> str:
        return name


def _absent(name: str) -> type:
    if name.startswith("__"):
        raise AttributeError(name)
    return _Absent(name, (), {})


class Torchvision(MetaPathFinder, Loader):
    """Stands for torchvision, which timm imports for images but these networks do not need.

    There is no torchvision for the CPU-only PyTorch that every platform can install.
    """

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name.partition(".")[0] == "torchvision" else None

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        module = types.ModuleType(spec.name)
        module.__getattr__ = _absent
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        pass


def _randomize(model: torch.nn.Module) -> None:
    """Give norms, affine blocks and the classifier random values, some scales below 0, and norms fitting statistics."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.weight[::7] *= -1
                module.bias.normal_(0, 0.3)
                module.momentum = 0.3
            elif type(module).__name__ == "LearnableAffineBlock":
                module.scale.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.3)
            elif isinstance(module, torch.nn.Linear):
                module.weight.normal_(0, 0.1)
                module.bias.normal_(0, 0.5)
        model.train()
        for _ in range(6):
            model(_images(8, 160))
        model.eval()


def _images(count: int, size: int) -> torch.Tensor:
    """Return blurred noise of random colours."""
    coarse = torch.randn(count, 3, 6, 6) + torch.randn(count, 3, 1, 1)
    return torch.nn.functional.interpolate(coarse, (size, size), mode="bilinear") + 0.2 * torch.randn(1, 1, size, size)


def main(folder: Path, named: dict[str, str]) -> None:
    sys.meta_path.insert(0, Torchvision())
    import timm
    from safetensors.torch import save_file

    for name, called in named.items():
        torch.manual_seed(0)
        model = timm.create_model(called, pretrained=False)
        _randomize(model)
        save_file(model.state_dict(), folder / f"{name}.safetensors")
        found = {}
        for size in SIZES:
            images = 3 * _images(2, size)  # far apart
            with torch.no_grad():
                found[f"logits_{size}"] = model(images).numpy()
            found[f"images_{size}"] = images.permute(0, 2, 3, 1).numpy()
        np.savez(folder / f"{name}.npz", **found)
        config = {key: model.pretrained_cfg[key] for key in ("mean", "std", "crop_pct", "input_size", "hf_hub_id")}
        (folder / f"{name}.json").write_text(json.dumps(config), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), dict(word.split("=") for word in sys.argv[2:]))
