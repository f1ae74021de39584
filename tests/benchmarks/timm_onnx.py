"""Write a timm architecture with random weights as an ONNX file, and PyTorch's scores of images.

.venv-torch/bin/python tests/benchmarks/timm_onnx.py NAME IMAGES.npy FOLDER

IMAGES are normalized, float32 ``[images, height, width, 3]``. FOLDER/NAME.onnx and FOLDER/NAME.npy are written. Batch
norms have random scales and shifts, and the statistics of the first 32 images; the head is scaled so that scores have
mean 0 and standard deviation 3 over the images, as otherwise all answers would be the same label.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

_CLASSES = 10
_BATCH = 16


def _timm() -> Any:
    sys.path.insert(0, str(Path(__file__).parents[1] / "networks"))
    from timm_networks import Torchvision

    sys.meta_path.insert(0, Torchvision())
    import timm

    return timm


def _randomized(network: Any, images: Any) -> None:
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
        torch.nn.init.normal_(norm.bias, std=0.2)
        norm.momentum = None  # the plain mean of the batches
        norm.reset_running_stats()
    network.eval()
    for norm in norms:
        norm.train()
    for start in range(0, 2 * _BATCH, _BATCH):
        network(images[start : start + _BATCH])
    network.eval()


def _scores(network: Any, images: Any) -> Any:
    return torch.cat([network(images[start : start + _BATCH]) for start in range(0, len(images), _BATCH)])


def main() -> None:
    """Write both files."""
    name, folder = sys.argv[1], Path(sys.argv[3])
    images = torch.tensor(np.load(sys.argv[2]).transpose(0, 3, 1, 2))
    torch.manual_seed(0)
    network = _timm().create_model(name, num_classes=_CLASSES)
    with torch.no_grad():
        _randomized(network, images)
        before, head = _scores(network, images), network.get_classifier()
        factor = 3 / before.std(0)
        head.weight.mul_(factor.reshape(-1, *[1] * (head.weight.ndim - 1)))
        head.bias.copy_(factor * (head.bias - before.mean(0)))
        np.save(folder / f"{name}.npy", _scores(network, images).numpy())
        file = str(folder / f"{name}.onnx")
        names = {"input_names": ["image"], "output_names": ["logits"]}
        torch.onnx.export(network, (images[:1],), file, dynamo=False, opset_version=17, **names)


if __name__ == "__main__":
    main()
