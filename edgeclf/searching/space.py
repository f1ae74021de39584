"""The space of a search: backbone, input size, and which part of the network is trained."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edgeclf.config.train import TrainConfig, trained_otherwise
from edgeclf.model.backbones.registry import backbone
from edgeclf.renamed import VALUES

__all__ = ["Candidate", "candidates", "multiplications", "train_config", "trial_folder", "work"]

_FULL_STEP = 3  # cost of a training step, in forward passes
_REFERENCE = 224


@dataclass(frozen=True)
class Candidate:
    """One candidate of a search.

    Attributes:
        backbone: name of the pretrained network.
        size: height and width of the input in pixels.
        tune: one of ``TUNES``.
    """

    backbone: str
    size: int
    tune: str

    @property
    def name(self) -> str:
        """The name of the candidate and its folder."""
        return f"{self.backbone}-{self.size}-{self.tune}"


def trial_folder(search: Path, candidate: Candidate) -> Path:
    """Return the folder of a candidate's run; a folder of an earlier version keeps its old name."""
    old = {new: old for old, new in VALUES["tune"].items()}.get(candidate.tune, candidate.tune)
    before = search / f"{candidate.backbone}-{candidate.size}-{old}"
    return before if before.is_dir() else search / candidate.name


def candidates(backbones: Iterable[str], sizes: Iterable[int], tunes: Iterable[str]) -> list[Candidate]:
    """Return every combination; the first is the cheapest if each argument lists its cheapest value first."""
    return [Candidate(name, size, tune) for tune, size, name in itertools.product(tunes, sizes, backbones)]


def train_config(candidate: Candidate, base: TrainConfig) -> TrainConfig:
    """Return the config of a candidate's training: as ``base``, whose weights apply only to its own backbone.

    Raises:
        ConfigError: the options cannot be combined.
    """
    weights = base.weights if candidate.backbone == base.backbone else None
    chosen = {"backbone": candidate.backbone, "size": candidate.size, "train_size": None, "weights": weights}
    return trained_otherwise(base, candidate.tune, base.init, **chosen)


def work(candidate: Candidate, base: TrainConfig) -> float:
    """Return the multiplications per image in training: one pass for the head, and the steps of all epochs."""
    config, once = train_config(candidate, base), multiplications(candidate.backbone, candidate.size)
    if candidate.tune == "head":
        return once
    areas = sum((config.step_size(epoch) / config.input_size) ** 2 for epoch in range(config.epochs))
    return once * (1 + _FULL_STEP * areas)


def multiplications(name: str, size: int) -> float:
    """Return the multiplications of a backbone's convolutions for one image; they scale with the image's area."""
    return _counted(name) * (size / _REFERENCE) ** 2


@functools.cache
def _counted(name: str) -> int:
    total, model = 0, backbone(name).build(name, _REFERENCE)
    for layer in model.layers:
        if hasattr(layer, "kernel_size"):  # only convolutions have one
            height, width, filters = layer.output.shape[1:]
            kernel = layer.kernel_size[0] * layer.kernel_size[1]
            inputs = 1 if hasattr(layer, "depth_multiplier") else layer.input.shape[-1]
            total += height * width * filters * kernel * inputs
    return total
