"""Measure a model file on images that may have several labels."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeclf.data.dataset import PARTS, Dataset, Skipped
from edgeclf.data.label_sets import with_presence
from edgeclf.data.sources import read_source
from edgeclf.errors import DataError
from edgeclf.evaluation.evaluate import chosen_part
from edgeclf.evaluation.measuring import classify_files, files_of_dataset, typical_milliseconds
from edgeclf.metrics.label_sets import SetScore, score_sets
from edgeclf.progress import Reporter
from edgeclf.runs.run import Run
from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.model.card import ModelCard
from edgeclf_runtime.system.plain_text import counted, plain, printable

__all__ = ["SetEvaluation", "SetMeasurement", "label_set_images", "measure_label_sets"]


@dataclass(frozen=True, eq=False)
class SetMeasurement:
    """Figures of a model file.

    Attributes:
        score: the figures at the model file's thresholds.
        scores: score of each label, float32 ``[images, labels]``.
        presence: which labels each image has, bool ``[images, labels]``.
        skipped: files that cannot be read.
        milliseconds: median time per image.
    """

    score: SetScore
    scores: npt.NDArray[np.float32]
    presence: npt.NDArray[np.bool_]
    skipped: tuple[Skipped, ...]
    milliseconds: float


@dataclass(frozen=True, eq=False)
class SetEvaluation:
    """The output of ``edgeclf evaluate`` for a model with several labels per image.

    Attributes:
        model: the model file.
        name: name of the images.
        outcome: the figures.
        warning: empty if there is none.
    """

    model: str
    name: str
    outcome: SetMeasurement
    warning: str = ""

    def content(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        skipped, spent = [asdict(item) for item in self.outcome.skipped], self.outcome.milliseconds
        return {
            "model": self.model,
            "data": self.name,
            **asdict(self.outcome.score),
            "milliseconds": spent,
            "skipped": skipped,
        }

    def text(self) -> str:
        """Return one line per label, and one for all labels."""
        from rich.cells import cell_len, set_cell_size

        score = self.outcome.score
        width = max(cell_len(item.label) for item in score.labels)
        lines = [
            f"{set_cell_size(item.label, width)}  average precision {_share(item.average_precision)}; "
            f"from a score of {item.threshold:.2f}: precision {_share(item.precision)}, "
            f"recall {_share(item.recall)} of {item.support:>4}"
            for item in score.labels
        ]
        lines.append(
            f"{self.name}: mAP {score.mean_average_precision:.2%} on {counted(score.count, 'image')}, "
            f"{score.exact:.2%} with all labels right; {self.outcome.milliseconds:.1f} ms per image"
        )
        return "\n".join(map(plain, lines))


def _share(value: float | None) -> str:
    return "     -" if value is None else f"{value:6.1%}"


def label_set_images(source: Path | Run, card: ModelCard) -> tuple[str, Dataset]:
    """Return the images of a CSV or of a run's test part, with the model's labels, and a name for the images.

    If the CSV has parts, its test part is used, or else its validation part. Its labels must be the model's; some may
    be missing.

    Raises:
        DataError: the CSV cannot be used, the run has no test part, or the model lacks one of the labels.
    """
    path = source if isinstance(source, Path) else source.path
    data = (
        read_source(source, training=False, several_labels=True)[0] if isinstance(source, Path) else source.read_split()
    )
    if data.presence is None:
        raise DataError(f"{printable(path)}: has one label per image, but the model has several.")
    if other := next((label for label in data.labels if label not in card.labels), None):
        raise DataError(f"{printable(path)}: {other}: not a label of this model. Its labels: {', '.join(card.labels)}.")
    part = "test" if not isinstance(source, Path) else chosen_part(path, [part for part in PARTS if part in data.parts])
    data = data.take(data.rows(part))
    if not len(data.files):
        raise DataError(f"{printable(path)}: has no {part} part. Give a CSV of other images.")
    presence = np.zeros((len(data.files), len(card.labels)), np.bool_)
    presence[:, [card.labels.index(label) for label in data.labels]] = data.presence
    name = f"{printable(path)}, {part} part" if part else printable(path)
    return name, with_presence(replace(data, labels=card.labels), presence)


def measure_label_sets(
    classifier: Classifier, data: Dataset, reporter: Reporter, title: str = "Evaluating"
) -> SetMeasurement:
    """Classify every image of a dataset, whose labels must be the model's in its order, and score the labels.

    Raises:
        DataError: no image can be read.
    """
    files, read = files_of_dataset(classifier, data)
    rows, predictions, skipped = classify_files(classifier, files, reporter, read, title)
    assert data.presence is not None
    scores, presence = np.stack([prediction.scores for prediction in predictions]), data.presence[rows]
    card = classifier.card
    return SetMeasurement(
        score_sets(scores, presence, card.labels, card.label_thresholds),
        scores,
        presence,
        tuple(skipped),
        typical_milliseconds(predictions),
    )
