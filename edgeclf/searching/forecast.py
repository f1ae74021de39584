"""Predict how long a trial will take, from finished trials or, for the first trial, from the network's speed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edgeclf.config.train import TrainConfig
from edgeclf.searching.latency import forward_seconds
from edgeclf.searching.space import Candidate, multiplications, train_config, work
from edgeclf.searching.study import Outcome

__all__ = ["first_seconds", "predicted_seconds"]

Floats = npt.NDArray[np.float64]

_CONVERSION = 60.0  # seconds, including the pages
_FIXED = 0.5  # share of the first trial's training time assumed not to depend on the network


def first_seconds(candidate: Candidate, base: TrainConfig, images: int) -> float:
    """Predict the seconds that training and converting a candidate will take, from a few passes of its network.

    Args:
        images: number of images to train and validate on.
    """
    config = train_config(candidate, base)
    seconds = forward_seconds(config) / multiplications(candidate.backbone, candidate.size)
    return images * work(candidate, base) * seconds + _CONVERSION


def predicted_seconds(candidate: Candidate, measured: Sequence[Outcome], base: TrainConfig) -> float:
    """Predict the seconds that training and converting a candidate will take.

    Training time has a fixed part and a part proportional to multiplications (``space.work``), neither negative, fitted
    by least squares on relative errors. Conversion hardly depends on the network, so its longest time so far is used.

    Args:
        measured: one or more finished trials.
    """
    works = [work(item.candidate, base) for item in measured]
    fixed, rate = _line(np.array(works), np.array([item.train_seconds for item in measured]))
    return fixed + rate * work(candidate, base) + max(item.export_seconds for item in measured)


def _line(works: Floats, seconds: Floats) -> tuple[float, float]:
    from sklearn.linear_model import LinearRegression

    largest = works.max()
    if works.min() == largest:
        mean = float(seconds.mean())
        return _FIXED * mean, (1 - _FIXED) * mean / float(largest)
    rows = np.stack([np.ones(len(works)), works / largest], axis=1) / seconds[:, None]
    fitted = LinearRegression(positive=True, fit_intercept=False).fit(rows, np.ones(len(works)))
    return float(fitted.coef_[0]), float(fitted.coef_[1] / largest)
