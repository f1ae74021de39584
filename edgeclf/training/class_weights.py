"""Classes of different numbers of pictures."""

from __future__ import annotations

import numpy as np

from edgeclf.config.train import TrainConfig
from edgeclf.data.dataset import Dataset

__all__ = ["balanced_rows", "class_weights"]

_UNBALANCED = 1.5  # pictures of the largest class to those of the smallest


def class_weights(data: Dataset, config: TrainConfig) -> list[float]:
    """Weights of the loss, one per class, of mean 1 over the training pictures."""
    counts = data.counts("train").astype(np.float64)
    if config.class_weights == "none" or counts.max() <= _UNBALANCED * counts.min():
        return [1.0] * len(counts)
    weights = np.sqrt(counts.max() / counts)
    weights *= counts.sum() / (weights * counts).sum()
    return [float(weight) for weight in weights]


def balanced_rows(data: Dataset, part: str, count: int) -> list[int]:
    """Rows of so many pictures of a part, about as many of each class, chosen by a fixed seed."""
    rng, rows = np.random.default_rng(0), data.rows(part)
    shuffled = [list(rng.permutation(rows[data.targets[rows] == label])) for label in range(len(data.labels))]
    longest = max(map(len, shuffled), default=0)
    return [int(queue[turn]) for turn in range(longest) for queue in shuffled if turn < len(queue)][:count]
