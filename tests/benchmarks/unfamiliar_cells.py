"""Trainings for the benchmark of unfamiliar images, and their int8 files' results on every set; stored on disk."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from edgeclf import Run, Terminal, export, make_config, train
from edgeclf.data.dataset import Dataset
from edgeclf.frameworks import keras
from edgeclf.model.network import HEAD
from edgeclf_runtime import Classifier
from edgeclf_runtime.pictures.images import find_images, read_image
from edgeclf_runtime.pictures.preprocess import Pixels
from edgeclf_runtime.system.atomic_file import put_in_place
from tests.benchmarks.unfamiliar_images import FOREIGN, draw
from tests.benchmarks.unfamiliar_scores import Features, Floats, Known

__all__ = ["Cell", "Sets"]

_CHOSEN, _REPORTED = 0, 1000  # seeds of the images used to choose methods, and of those that are reported


@dataclass(frozen=True)
class Sets:
    """The sources of the images.

    Attributes:
        folders: folders with train/ and test/, each with a folder per class; each folder is foreign to the others.
        foreign: further folders of foreign images, which are only reported.
        count: number of images to draw of each set of ``FOREIGN``.
    """

    folders: tuple[Path, ...]
    foreign: tuple[Path, ...]
    count: int

    def strangers(self, folder: Path, left_out: str, part: str) -> dict[str, Callable[[], Iterable[Pixels]]]:
        """Return what is foreign to a training on ``folder``, by name, for choosing ("train") or reporting ("test")."""
        if left_out:
            return {left_out: partial(_read, folder / part / left_out)}
        seed = _CHOSEN if part == "train" else _REPORTED
        others = {other.name: partial(_read, other / part) for other in self.folders if other != folder}
        drawn = {name: partial(draw, name, self.count, seed) for name in FOREIGN}
        given = {path.name: partial(_read, path) for path in self.foreign if part == "test"}
        return {**others, **drawn, **given}


@dataclass(frozen=True)
class Cell:
    """One training: on a folder's train/ without one class (or with all, ""), with its options, kept in ``place``."""

    folder: Path
    left_out: str
    options: dict[str, object]
    out: Path

    @property
    def name(self) -> str:
        words = [self.folder.name, *([f"without-{self.left_out}"] if self.left_out else [])]
        return "-".join([*words, *map(str, self.options.values())])

    @property
    def place(self) -> Path:
        return self.out / self.name

    @property
    def is_ready(self) -> bool:
        """Return whether the cell is trained and exported."""
        return (self.place / "run" / "model.tflite").exists()

    def train(self) -> Run:
        """Return the run, trained and exported to int8 if it is not there yet."""
        run, photographs = self.place / "run", self.place / "photographs"
        if not (run / "metrics.json").exists():
            shutil.rmtree(self.place, ignore_errors=True)  # left by a stopped benchmark
            ignored = shutil.ignore_patterns(self.left_out) if self.left_out else None
            shutil.copytree(self.folder / "train", photographs, ignore=ignored)
            train(photographs, run, make_config(self.options), Terminal())
        if not (run / "model.tflite").exists():
            export(run, mode="int8", reporter=Terminal(), method="ptq")
            keras().backend.clear_session()
        return Run.open(run)

    def known(self) -> Known:
        """Return the data that methods may be fitted on."""
        data, (kernel, bias) = self._data(), self._last_layer()
        targets = data.targets[data.rows("train")]
        return Known(self.part("train"), targets, kernel, bias, self.part("validation"))

    def _last_layer(self) -> tuple[Floats, Floats]:
        weights = self.train().read_arrays("weights")
        kernel, bias = (
            next(array for name, array in weights.items() if name.startswith(f"{HEAD}/{what}"))
            for what in ("kernel", "bias")
        )
        return kernel.astype(np.float64), bias.astype(np.float64)

    def _data(self) -> Dataset:
        return self.train().read_split()

    def part(self, name: str) -> Features:
        """Return the features of a part of the training's images ("train", "validation"), or of its classes' test/."""
        if name == "test":
            labels = self._data().labels
            return self.features("own test", lambda: (p for x in labels for p in _read(self.folder / "test" / x)))
        data = self._data()
        return self.features(f"own {name}", lambda: (data.picture(data.files[row]) for row in data.rows(name)))

    def features(self, name: str, images: Callable[[], Iterable[Pixels]]) -> Features:
        """Return what the int8 file computes for a set of images; it is stored under the set's name."""
        file = self.place / "features" / f"{name}.npz"
        run = self.train()
        if not file.exists():
            file.parent.mkdir(exist_ok=True)
            with Classifier.load(run.path / "model.tflite", features=True) as classifier:
                answers = [classifier.classify(image) for image in images()]
            unfinished = file.with_suffix(".unfinished.npz")
            values = np.stack([answer.features for answer in answers if answer.features is not None])
            np.savez(unfinished, values=values, scores=np.stack([answer.scores for answer in answers]))
            put_in_place(unfinished, file)
        kept, (kernel, bias) = np.load(file), self._last_layer()
        values = kept["values"].astype(np.float64)
        return Features(values, values @ kernel + bias, kept["scores"].astype(np.float64))


def _read(folder: Path) -> Iterable[Pixels]:
    return (read_image(file) for file in find_images(folder))
