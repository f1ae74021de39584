"""One cell of a comparison: a method trained on some pictures and measured on others."""

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

__all__ = ["HANDCRAFTED_RULE", "METHODS", "Cell", "measure_cell", "method_config"]

METHODS = {
    "hog-svm": "HOG, colours, SVM",
    "scratch": "from scratch",
    "head": "transfer, head",
    "batch-norm": "transfer, batch norm",
    "full": "transfer, whole network",
}
"""Names of the methods, and what people call them."""

HANDCRAFTED_RULE = Preprocessing(SIDE, SIDE)

_OPTIONS = {
    "hog-svm": ("full", "imagenet"),  # of which it has the seed alone
    "scratch": ("full", "scratch"),
    "head": ("head", "imagenet"),
    "batch-norm": ("batch-norm", "imagenet"),
    "full": ("full", "imagenet"),
}
"""``tune`` and ``init`` of each."""
_FLOAT = 4  # bytes


@dataclass(frozen=True)
class Cell:
    """One method trained once.

    Attributes:
        method: one of ``METHODS``.
        percent: of the training pictures.
        seed: of the subset and the training.
        pictures: trained on.
        count, correct: of the test part.
        accuracy, low, high: on it, with its 95% interval (Wilson).
        seconds: from the files to the trained model, validation included.
        bytes: of the model's numbers in float32.
        trained: numbers that were fitted.
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
        """What it is the result of."""
        return self.method, self.percent, self.seed


def method_config(config: TrainConfig, method: str, seed: int) -> TrainConfig:
    """The config of a method's training.

    Raises:
        ConfigError: no such method.
    """
    if method not in METHODS:
        raise ConfigError(f"Method {method!r}: expected one of {', '.join(METHODS)}.")
    return trained_otherwise(config, *_OPTIONS[method], seed=seed)


def measure_cell(
    data: Dataset, folder: Path, method: str, percent: int, config: TrainConfig, reporter: Reporter
) -> Cell:
    """Train a method and measure it.

    Args:
        data: with the share of training pictures that is to be used, a validation and a test part.
        folder: a folder for its files, removed at the end.
        percent: which share that is.
        config: of ``method_config``.

    Raises:
        DataError, RunError: a picture cannot be read.
        KeyboardInterrupt: nothing of it is kept.
    """
    count, pictures = len(data.rows("test")), len(data.rows("train"))
    reporter.say(f"{METHODS[method]}, {percent}% ({pictures} pictures), seed {config.seed}:")
    with _cleared(folder):
        if method == "hog-svm":
            correct, seconds, size, trained = _handcrafted(data, folder, reporter)
        else:
            correct, seconds, size, trained = _network(data, folder, config, reporter)
    share, (low, high) = correct / count, wilson(correct, count)
    reporter.say(f"  test {share:.1%} ({low:.1%} to {high:.1%}) after {seconds:.0f} s.")
    return Cell(
        method, percent, config.seed, pictures, count, correct, share, low, high, seconds, _FLOAT * size, trained
    )


@contextmanager
def _cleared(folder: Path) -> Iterator[None]:
    """A cell's own files: of one that was stopped nothing is used, so that its seconds are those of a whole one."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _network(data: Dataset, folder: Path, config: TrainConfig, reporter: Reporter) -> tuple[int, float, int, int]:
    """Right answers, seconds, numbers in the model, and of these trained ones."""
    run = Run.create(folder, config, data.root)
    train_dataset(run, data, reporter)
    metrics = run.read_json("metrics")
    if metrics["status"] == "interrupted":
        raise KeyboardInterrupt
    size = sum(array.size for array in run.read_arrays("weights").values())
    keras().backend.clear_session()
    return metrics["test"]["correct"], metrics["seconds"], size, metrics["trained_parameters"]


def _handcrafted(data: Dataset, folder: Path, reporter: Reporter) -> tuple[int, float, int, int]:
    """The same of the classical features."""
    started = time.monotonic()
    pictures, unread = decode(data, HANDCRAFTED_RULE, 0, folder, reporter)
    with pictures:
        if unread:
            raise DataError(f"{unread[0].reason} It was there when the comparison began; put it back.")
        features = describe(pictures.inputs.mapped())

    def part(name: str) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        return features[data.rows(name)], data.targets[data.rows(name)]

    fitted = fit_handcrafted(part("train"), part("validation"), reporter)
    seconds = time.monotonic() - started
    features, targets = part("test")
    correct = int((fitted.predict(features) == targets).sum())
    return correct, seconds, fitted.parameters, fitted.parameters
