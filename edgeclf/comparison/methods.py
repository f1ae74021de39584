"""Compute one cell of a comparison: train one method on some images and evaluate it on others."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeclf.comparison.hog_svm import SIDE, describe, fit_handcrafted
from edgeclf.config.train import TrainConfig, trained_otherwise
from edgeclf.data.dataset import Dataset
from edgeclf.data.image_cache import decode
from edgeclf.errors import ConfigError, DataError
from edgeclf.frameworks import keras
from edgeclf.metrics.scoring import wilson
from edgeclf.progress import Reporter
from edgeclf.runs.run import Run
from edgeclf.training.fit import train_dataset
from edgeclf_runtime.pictures.preprocess import Preprocessing
from edgeclf_runtime.system.plain_text import counted

__all__ = ["HANDCRAFTED_RULE", "METHODS", "Cell", "measure_cell", "method_config"]

METHODS = {
    "hog-svm": "HOG, colours, SVM",
    "scratch": "from scratch",
    "head": "transfer, head",
    "batch-norm": "transfer, batch norm",
    "full": "transfer, whole network",
}
"""The methods and their names for tables."""

HANDCRAFTED_RULE = Preprocessing(SIDE, SIDE)

_OPTIONS = {
    "hog-svm": ("full", "imagenet"),  # only its seed is used
    "scratch": ("full", "scratch"),
    "head": ("head", "imagenet"),
    "batch-norm": ("batch-norm", "imagenet"),
    "full": ("full", "imagenet"),
}
"""``tune`` and ``init`` of each method."""
_FLOAT = 4  # bytes


@dataclass(frozen=True)
class Cell:
    """The result of one method with one share and one seed.

    Attributes:
        method: one of ``METHODS``.
        percent: share of the training images, in percent.
        seed: random seed of the subset and the training.
        pictures: number of training images.
        count, correct: number of test images, and of correct answers.
        accuracy, low, high: accuracy on the test part, with its 95% interval (Wilson).
        seconds: time from the files to the trained model, including validation, but without decoding images and fitting
            a head that an earlier cell has already done.
        bytes: size of the model's parameters in float32.
        trained: number of parameters that were trained.
    """

    method: str
    percent: int
    seed: int
    pictures: int
    count: int
    correct: int
    accuracy: float
    low: float
    high: float
    seconds: float
    bytes: int
    trained: int

    @property
    def key(self) -> tuple[str, int, int]:
        """Return method, percent and seed."""
        return self.method, self.percent, self.seed


def method_config(config: TrainConfig, method: str, seed: int) -> TrainConfig:
    """Return the config of a method's training.

    Raises:
        ConfigError: there is no such method.
    """
    if method not in METHODS:
        raise ConfigError(f"Method {method!r}: expected one of {', '.join(METHODS)}.")
    return trained_otherwise(config, *_OPTIONS[method], seed=seed)


def measure_cell(
    data: Dataset, folder: Path, method: str, percent: int, config: TrainConfig, reporter: Reporter
) -> Cell:
    """Train and evaluate a method.

    Args:
        method: one of ``METHODS``.
        data: the share of training images to use, a validation and a test part.
        folder: a folder for temporary files, removed at the end.
        percent: the share of training images, in percent.
        config: from ``method_config``.
        reporter: shows the progress.

    Raises:
        DataError, RunError: an image cannot be read.
        KeyboardInterrupt: interrupted; nothing of this cell is kept.
    """
    count, images = len(data.rows("test")), len(data.rows("train"))
    reporter.say(f"{METHODS[method]}, {percent}% ({counted(images, 'image')}), seed {config.seed}:")
    with _cleared(folder):
        if method == "hog-svm":
            correct, seconds, size, trained = _handcrafted(data, folder, reporter)
        else:
            correct, seconds, size, trained = _network(data, folder, config, reporter)
    share, (low, high) = correct / count, wilson(correct, count)
    reporter.say(f"  test {share:.1%} ({low:.1%} to {high:.1%}) after {seconds:.0f} s.")
    return Cell(method, percent, config.seed, images, count, correct, share, low, high, seconds, _FLOAT * size, trained)


@contextmanager
def _cleared(folder: Path) -> Iterator[None]:
    """Clear a cell's folder before and after: a stopped cell starts again, so that its time is complete."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _network(data: Dataset, folder: Path, config: TrainConfig, reporter: Reporter) -> tuple[int, float, int, int]:
    """Train a network; return correct answers, seconds, number of parameters, and number of trained parameters."""
    run = Run.create(folder, config, data.root)
    train_dataset(run, data, reporter)
    metrics = run.read_json("metrics")
    if metrics["status"] == "interrupted":
        raise KeyboardInterrupt
    size = sum(array.size for array in run.read_arrays("weights").values())
    keras().backend.clear_session()
    return metrics["test"]["correct"], metrics["seconds"], size, metrics["trained_parameters"]


def _handcrafted(data: Dataset, folder: Path, reporter: Reporter) -> tuple[int, float, int, int]:
    """Fit the classical model; return correct answers, seconds, parameters and trained parameters."""
    started = time.monotonic()
    pictures, unread = decode(data, HANDCRAFTED_RULE, 0, folder, reporter)
    with pictures:
        if unread:
            raise DataError(f"{unread[0].reason} The comparison started with it; restore the file.")
        features = describe(pictures.inputs.mapped())

    def part(name: str) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        return features[data.rows(name)], data.targets[data.rows(name)]

    fitted = fit_handcrafted(part("train"), part("validation"), reporter)
    seconds = time.monotonic() - started
    features, targets = part("test")
    correct = int((fitted.predict(features) == targets).sum())
    return correct, seconds, fitted.parameters, fitted.parameters
