"""Measure a model file on images that may have several labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeclf.data.dataset import Dataset, Skipped
from edgeclf.evaluation.measuring import classify_files
from edgeclf.metrics.label_sets import SetScore, score_sets
from edgeclf.progress import Reporter
from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.pictures.preprocess import Pixels

__all__ = ["SetMeasurement", "measure_label_sets"]


@dataclass(frozen=True, eq=False)
class SetMeasurement:
    """Figures of a model file.

    Attributes:
        score: the figures, at the model file's thresholds.
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


def measure_label_sets(
    classifier: Classifier, data: Dataset, reporter: Reporter, title: str = "Evaluating"
) -> SetMeasurement:
    """Classify every image of a dataset and score its labels, which are those of the model in its order.

    Raises:
        DataError: none can be read.
    """
    names = {data.path(file): file for file in data.files}

    def read(path: Path) -> Pixels:
        return data.picture(names[path], classifier.card.preprocessing)

    rows, predictions, skipped = classify_files(classifier, list(names), reporter, read, title)
    assert data.presence is not None
    scores, presence = np.stack([prediction.scores for prediction in predictions]), data.presence[rows]
    card = classifier.card
    return SetMeasurement(
        score_sets(scores, presence, card.labels, card.label_thresholds),
        scores,
        presence,
        tuple(skipped),
        float(np.median([sum(prediction.milliseconds.values()) for prediction in predictions])),
    )
