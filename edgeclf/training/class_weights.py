"""Balance classes with different numbers of images."""

from __future__ import annotations

import numpy as np

from edgeclf.config.train import TrainConfig
from edgeclf.data.dataset import Dataset

__all__ = ["balanced_rows", "class_weights"]

_UNBALANCED = 1.5  # ratio of images in the largest class to the smallest, above which weights are used


def class_weights(data: Dataset, config: TrainConfig) -> list[float]:
    """Return loss weights, one per class; their mean over the training images is 1."""
    counts = data.counts("train").astype(np.float64)
    if data.presence is not None:  # each label's own threshold makes up for its rarity
        return [1.0] * len(counts)
    if config.class_weights == "none" or counts.max() <= _UNBALANCED * counts.min():
        return [1.0] * len(counts)
    weights = np.sqrt(counts.max() / counts)
    weights *= counts.sum() / (weights * counts).sum()
    return [float(weight) for weight in weights]


def balanced_rows(data: Dataset, part: str, count: int) -> list[int]:
    """Choose ``count`` images of a part, with about as many of each class or set of labels, with a fixed seed.

    Returns:
        their rows.
    """
    rng, rows = np.random.default_rng(0), data.rows(part)
    kinds = len(data.labels) if data.presence is None else int(data.targets.max(initial=-1)) + 1
    shuffled = [list(rng.permutation(rows[data.targets[rows] == kind])) for kind in range(kinds)]
    longest = max(map(len, shuffled), default=0)
    return [int(queue[turn]) for turn in range(longest) for queue in shuffled if turn < len(queue)][:count]
