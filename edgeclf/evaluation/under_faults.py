"""Evaluate a model file under camera faults: which ones hurt, how much, and whether the model notices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeclf.data.dataset import Dataset
from edgeclf.errors import DataError
from edgeclf.evaluation.camera_faults import FAULTS, REFERENCE, camera_frame, with_fault
from edgeclf.evaluation.measuring import READERS, Measurement, outcome_of
from edgeclf.progress import Reporter
from edgeclf_converters.parity.parity import paired_interval
from edgeclf_runtime.backends.pool import in_order
from edgeclf_runtime.classifier import Classifier, Fitted
from edgeclf_runtime.decision.decision import DecisionRule
from edgeclf_runtime.errors import ImageError
from edgeclf_runtime.prediction import Prediction
from edgeclf_runtime.system.native_lines import without_codec_lines
from edgeclf_runtime.system.plain_text import printable

__all__ = ["IMAGES", "MIDDLE", "FaultFigures", "UnderFaults", "measure_under_faults"]

IMAGES = 200
"""How many images are measured if there are more: each is classified once for every fault and strength."""

_CELLS = [(name, level) for name in FAULTS for level in range(3)]
MIDDLE = tuple(dict.fromkeys([*REFERENCE, *((name, 1) for name in FAULTS)]))
"""Every fault at middle strength, and what else ``REFERENCE`` has: what a quick look measures."""


@dataclass(frozen=True)
class FaultFigures:
    """A model's figures under one fault at one strength.

    Attributes:
        fault, strength: name, and strength with its unit.
        level: 0 weak, 1 middle, 2 strong.
        accuracy, confidence, refused: share of correct answers, mean of the best scores, and share of images of the
            model's classes that are answered with "unknown"; in [0, 1].
        lost, low, high: percentage points of accuracy lost to the fault, and their 95% interval by image.
        advice: what to do about it.
        is_held_out: whether training with ``camera`` never draws this fault.
    """

    fault: str
    strength: str
    level: int
    accuracy: float
    confidence: float
    refused: float
    lost: float
    low: float
    high: float
    advice: str
    is_held_out: bool


@dataclass(frozen=True, eq=False)
class UnderFaults:
    """A model file's figures under camera faults.

    Attributes:
        files: the images measured, as their dataset names them.
        total: number of images they were drawn from.
        seed: random seed of the sample and the faults.
        clean: the same images at the network's size, without a fault.
        cells: measurements by fault and strength.
    """

    files: tuple[str, ...]
    total: int
    seed: int
    clean: Measurement
    cells: dict[tuple[str, int], Measurement]

    @property
    def figures(self) -> list[FaultFigures]:
        """Return all figures, the most harmful first."""
        return sorted((self._figures(*cell) for cell in self.cells), key=lambda item: -item.lost)

    @property
    def reference(self) -> tuple[float, float, float, float]:
        """Return mean accuracy under the 13 faults of ``REFERENCE``, and the points lost with their interval."""
        return self.mean(REFERENCE)

    @property
    def held_out(self) -> tuple[float, float, float, float]:
        """Return the same means over all strengths of the faults that training with ``camera`` never draws."""
        return self.mean([cell for cell in self.cells if FAULTS[cell[0]].is_held_out])

    def mean(self, cells: Iterable[tuple[str, int]]) -> tuple[float, float, float, float]:
        """Return mean accuracy in [0, 1], mean points lost, and their 95% interval by image."""
        chosen = [_hits(self.cells[cell]) for cell in cells]
        lost = (_hits(self.clean).astype(np.float64) - chosen).mean(axis=0)
        low, high = paired_interval(lost.sum(), np.square(lost).sum(), len(lost))
        return float(np.mean(chosen)), float(100 * lost.mean()), low, high

    def content(self) -> dict[str, Any]:
        """Return everything for JSON."""
        names = ("accuracy", "lost", "low", "high")
        return {
            "count": len(self.files),
            "total": self.total,
            "seed": self.seed,
            "files": [printable(file) for file in self.files],
            "clean": {
                "accuracy": self.clean.score.accuracy,
                "confidence": confidence(self.clean),
                "refused": refused(self.clean),
            },
            "mean_of_13": dict(zip(names, self.reference, strict=True)),
            "held_out": dict(zip(names, self.held_out, strict=True)),
            "faults": [asdict(item) for item in self.figures],
        }

    def _figures(self, name: str, level: int) -> FaultFigures:
        fault, cell = FAULTS[name], self.cells[name, level]
        accuracy, lost, low, high = self.mean([(name, level)])
        return FaultFigures(
            name,
            fault.describe(level),
            level,
            accuracy,
            confidence(cell),
            refused(cell),
            lost,
            low,
            high,
            fault.advice,
            fault.is_held_out,
        )


def measure_under_faults(
    classifier: Classifier,
    data: Dataset,
    reporter: Reporter,
    rule: DecisionRule | None = None,
    limit: int = IMAGES,
    seed: int = 0,
    cells: Sequence[tuple[str, int]] = _CELLS,
) -> UnderFaults:
    """Classify images without a fault, and with every fault at each strength.

    Args:
        classifier: the model.
        data: labelled images, as for ``measure_dataset``.
        reporter: shows the progress.
        rule: which images are answered with "unknown"; None for none.
        limit: maximum number of images; of more, a random sample of this size is used.
        seed: random seed of the sample and the faults.
        cells: the faults and strengths (0 weak to 2 strong); ``REFERENCE`` must be among them.

    Raises:
        DataError: no image can be read.
    """
    rows = np.sort(np.random.default_rng(seed).permutation(len(data.files))[:limit])
    network = classifier.card.preprocessing
    kept: list[int] = []
    predictions: list[list[Prediction]] = []

    def prepared(row: int) -> list[Fitted] | None:
        try:
            frame = camera_frame(data.picture(data.files[row], network), network)
        except ImageError:
            return None  # the evaluation without faults reports it
        drawn = (with_fault(frame, name, level, seed) for name, level in cells)
        return [classifier.fit(frame), *map(classifier.fit, drawn)]

    def scored(images: list[Fitted] | None) -> list[Prediction]:
        return [classifier.score(image) for image in images or ()]

    each = 1 + len(cells)
    with without_codec_lines(), reporter.bar("Camera faults", len(rows) * each) as bar:
        answers = in_order(scored, in_order(prepared, rows.tolist(), READERS), classifier.backend.lanes)
        for row, answer in zip(rows.tolist(), answers, strict=True):
            if answer:
                kept.append(row)
                predictions.append(answer)
            bar.advance(each)
    if not kept:
        raise DataError("No image can be read.")
    targets, files = data.targets[kept], tuple(data.path(data.files[row]) for row in kept)
    clean, *others = (
        outcome_of(column, targets, classifier.card.labels, rule, files, ())
        for column in zip(*predictions, strict=True)
    )
    names = tuple(data.files[row] for row in kept)
    return UnderFaults(names, len(data.files), seed, clean, dict(zip(cells, others, strict=True)))


def confidence(outcome: Measurement) -> float:
    """Return the mean of the images' best scores."""
    return float(outcome.scores.max(axis=1).mean())


def refused(outcome: Measurement) -> float:
    """Return the share of images of the model's classes that are answered with "unknown"."""
    return outcome.refusals.refused / max(1, outcome.refusals.count)


def _hits(outcome: Measurement) -> npt.NDArray[np.bool_]:
    return np.asarray(outcome.answers == outcome.targets, np.bool_)
