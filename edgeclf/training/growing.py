"""Start from a finished run's network: classes in both keep their rows of the head, new ones get fitted rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeclf.config.grown import grown
from edgeclf.config.train import TrainConfig
from edgeclf.data.dataset import Dataset
from edgeclf.model.network import HEAD, Weights, set_weights
from edgeclf.progress import Reporter
from edgeclf.runs.before import digests_by_file, open_before, trained_digests
from edgeclf.runs.predictions import weights_digest
from edgeclf.runs.run import Run
from edgeclf.training.epoch_rows import EpochRows
from edgeclf_runtime.system.plain_text import counted

__all__ = ["Start", "epoch_rows", "grown_config", "say_classes"]


def grown_config(config: TrainConfig, path: Path, sources: Sequence[Path], reporter: Reporter) -> TrainConfig:
    """Return the config with unset options taken from the run at ``path``, which the training starts from.

    Raises:
        RunError: it is not a run, or not finished.
        ConfigError: options contradict it.
    """
    before = open_before(path)
    config = grown(config, before.config, before.sources, sources)
    network = f"{config.backbone} at {config.input_size} pixels"
    epochs = "the head alone" if config.tune == "head" else counted(config.epochs, "epoch")
    reporter.say(f"Starting from {path}: {network}, {epochs}; other options as in that run unless given.")
    return config


def say_classes(path: Path, labels: Sequence[str], reporter: Reporter) -> None:
    """Report which classes are new, and which the run at ``path`` has but these images lack."""
    before = open_before(path).read_split().labels
    if new := [label for label in labels if label not in before]:
        reporter.say(f"New classes: {', '.join(new)}.")
    if gone := [label for label in before if label not in labels]:
        reporter.say(f"Dropped, because there are no images of them: {', '.join(gone)}.")


@dataclass(frozen=True, eq=False)
class Start:
    """The network of the earlier run.

    It is copied into the new run's folder, so that an interrupted training resumes without the earlier run.

    Attributes:
        weights: its weights.
        labels: its labels.
        temperature: what the head's weights were divided by; fine-tuning starts without it, for label smoothing.
        digest: SHA-256 of its weights file.
        trained: hashes of the images that it was trained on; none if it stored none, as version 0.1 did.
    """

    weights: Weights
    labels: tuple[str, ...]
    temperature: float
    digest: str = ""
    trained: frozenset[int] = frozenset()

    @classmethod
    def of(cls, run: Run) -> Start | None:
        """Return what a training starts from; None if it does not start from a run.

        Raises:
            RunError: the earlier run is gone or not finished.
        """
        if run.config.from_run is None:
            return None
        if run.has_arrays("before"):
            arrays = run.read_arrays("before")
            labels, temperature = tuple(arrays.pop("labels").tolist()), float(arrays.pop("temperature"))
            return cls(arrays, labels, temperature, trained=frozenset(arrays.pop("trained", np.empty(0)).tolist()))
        before = open_before(run.config.from_run)
        digest, labels = weights_digest(before).tobytes().hex(), before.read_split().labels
        return cls(before.read_arrays("weights"), labels, _temperature(before), digest, trained_digests(before))

    def keep(self, run: Run, labels: Sequence[str]) -> None:
        """Copy it into the run's folder, unless it is there, and record what is taken from it for these labels."""
        if run.has_arrays("before"):
            return
        content = {
            "run": str(run.config.from_run),
            "weights_sha256": self.digest,
            "kept": [label for label in labels if label in self.labels],
            "new": [label for label in labels if label not in self.labels],
            "dropped": [label for label in self.labels if label not in labels],
        }
        run.write_json("before", content)
        others = {"labels": np.array(self.labels), "temperature": np.array(self.temperature)}
        others["trained"] = np.array(sorted(self.trained), np.uint64)
        run.write_arrays("before", {**self.weights, **others})

    def trained_rows(self, run: Run, data: Dataset) -> npt.NDArray[np.int64]:
        """Return the rows of the training images that the run before was trained on.

        If it stored no hashes, or these images have none, they are those of its classes.
        """
        rows = data.rows("train")
        hashes = digests_by_file(run)
        if not self.trained or not hashes:
            return rows[np.isin(data.targets[rows], self.shared(data.labels)[1])]
        return rows[[hashes.get(data.files[row]) in self.trained for row in rows]]

    def fill(self, model: Any, labels: Sequence[str]) -> None:
        """Set a network's weights; the head's rows of new classes become zero.

        Raises:
            WeightsError: the weights belong to another network.
        """
        old, new = self.shared(labels)
        head = {}
        for variable in model.get_layer(HEAD).weights:
            values = np.zeros(variable.shape, np.float32)
            if variable.name in self.weights:
                values[..., new] = self.weights[variable.name][..., old]
            head[variable.name] = values
        set_weights(model, {**self.weights, **head})

    def shared(self, labels: Sequence[str]) -> tuple[list[int], list[int]]:
        """Return the indices of the common classes, in these labels and in the others."""
        pairs = [(self.labels.index(label), row) for row, label in enumerate(labels) if label in self.labels]
        return [old for old, _ in pairs], [new for _, new in pairs]


def _temperature(run: Run) -> float:
    """Return the temperature contained in the run's head; version 0.1 recorded none."""
    kept = [item for item in run.read_json("history") if item.get("kept")]
    return float(kept[-1].get("temperature", 1.0)) if kept else 1.0


def epoch_rows(run: Run, data: Dataset, start: Start | None) -> EpochRows:
    """Return which images each epoch of a run trains on."""
    known = None if start is None else start.trained_rows(run, data)
    return EpochRows(data.rows("train"), run.config.seed, known, run.config.rehearsal)
