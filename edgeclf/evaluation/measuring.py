"""Evaluate a model file on labelled images with the runtime, as on a device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeclf.data.dataset import Dataset, Skipped
from edgeclf.data.kept_image import input_picture
from edgeclf.errors import DataError
from edgeclf.metrics.refusals import Refusals, count_refusals
from edgeclf.metrics.scoring import Score, score
from edgeclf.progress import Reporter
from edgeclf_runtime.backends.pool import in_order
from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.decision.decision import DecisionRule
from edgeclf_runtime.errors import ImageError
from edgeclf_runtime.pictures.images import read_image
from edgeclf_runtime.pictures.preprocess import Pixels
from edgeclf_runtime.prediction import NOTHING, Prediction
from edgeclf_runtime.system.native_lines import without_codec_lines
from edgeclf_runtime.system.plain_text import printable

__all__ = [
    "READERS",
    "Measurement",
    "classify_files",
    "files_of_dataset",
    "measure",
    "measure_dataset",
    "outcome_of",
    "typical_milliseconds",
]

READERS = 2
"""Threads that decode images for the interpreter."""


@dataclass(frozen=True, eq=False)
class Measurement:
    """The result of an evaluation.

    Attributes:
        score: the model's figures.
        scores: probabilities, float32 ``[images, classes]``.
        targets: int64 ``[images]``.
        files: the images' files.
        skipped: files that could not be read.
        milliseconds: median time per image for resizing and inference, without decoding, in ms.
        features: float32 ``[images, size]``; None if the classifier was opened without them.
        familiarity: float32 ``[images]``; None if the model has no familiarity.
        reasons: why each image is answered with "unknown", None if it is not; empty if measured without a rule.
        nothing: index of the label ``NOTHING``; None if neither the model nor the images have it.
    """

    score: Score
    scores: npt.NDArray[np.float32]
    targets: npt.NDArray[np.int64]
    files: tuple[Path, ...]
    skipped: tuple[Skipped, ...]
    milliseconds: float
    features: npt.NDArray[np.float32] | None = None
    familiarity: npt.NDArray[np.float32] | None = None
    reasons: tuple[str | None, ...] = ()
    nothing: int | None = None

    @cached_property
    def answers(self) -> npt.NDArray[np.int64]:
        """Index of each image's best label, int64 ``[images]``; of ``NOTHING`` if such an image is refused.

        Refused images of other classes keep their best label; ``refusals`` counts them.
        """
        return _answers(self.scores, self.targets, self.reasons, self.nothing)

    @property
    def is_nothing(self) -> npt.NDArray[np.bool_]:
        """Whether each image is of ``NOTHING``, bool ``[images]``."""
        return np.asarray(self.targets == (-1 if self.nothing is None else self.nothing), np.bool_)

    @property
    def refusals(self) -> Refusals:
        """Figures of the answers "unknown"."""
        reasons = self.reasons or (None,) * len(self.targets)
        return count_refusals(reasons, self.answers == self.targets, self.is_nothing)


def measure(
    classifier: Classifier,
    files: Sequence[Path],
    targets: Sequence[int],
    reporter: Reporter,
    read: Callable[[Path], Pixels] | None = None,
    title: str = "Evaluating",
    rule: DecisionRule | None = None,
) -> Measurement:
    """Classify every image and score the answers.

    Args:
        classifier: the model; with several lanes, that many images are classified at a time.
        files: the images' files.
        targets: the correct label of each file, as an index into the card's labels; one more is ``NOTHING`` if the
            model has no such class.
        read: returns a file's pixels, uint8 RGB; raises ImageError. None reads it as the model card says.
        title: title of the progress bar.
        rule: which images are answered with "unknown"; None for none, not even those that the card refuses.

    Raises:
        DataError: no image can be read.
    """
    if classifier.card.has_several_labels:
        raise DataError(
            f"{classifier.path}: has several labels per image, so it has no accuracy. Measure it with: edgeclf "
            f"evaluate {classifier.path} photos.csv"
        )
    rows, predictions, skipped = classify_files(classifier, files, reporter, read, title)
    kept, labels = tuple(files[row] for row in rows), classifier.card.labels
    return outcome_of(predictions, np.array(targets, np.int64)[rows], labels, rule, kept, tuple(skipped))


def classify_files(
    classifier: Classifier,
    files: Sequence[Path],
    reporter: Reporter,
    read: Callable[[Path], Pixels] | None = None,
    title: str = "Evaluating",
) -> tuple[list[int], list[Prediction], list[Skipped]]:
    """Classify every image; return the indices of the readable ones, their predictions, and the skipped files.

    The arguments are those of ``measure``.

    Raises:
        DataError: no image can be read.
    """
    read = read or partial(read_image, min_size=classifier.card.preprocessing.min_decoded_size)
    rows: list[int] = []
    predictions: list[Prediction] = []
    skipped: list[Skipped] = []
    pictures = in_order(partial(_read, read), files, READERS)
    with without_codec_lines(), reporter.bar(title, len(files)) as bar:
        for row, answer in enumerate(in_order(partial(_classified, classifier), pictures, classifier.backend.lanes)):
            bar.advance(1)
            if isinstance(answer, Skipped):
                skipped.append(answer)
                continue
            rows.append(row)
            predictions.append(answer)
    if not rows:
        reason = f" ({skipped[0].reason})" if skipped else ""
        raise DataError(f"No image can be read{reason}.")
    return rows, predictions, skipped


def outcome_of(
    predictions: Sequence[Prediction],
    targets: npt.NDArray[np.int64],
    labels: tuple[str, ...],
    rule: DecisionRule | None,
    files: tuple[Path, ...],
    skipped: tuple[Skipped, ...],
) -> Measurement:
    """Score predictions; the arguments are those of ``measure`` and the fields of ``Measurement``."""
    scores = np.stack([prediction.scores for prediction in predictions])
    if targets.max() == len(labels):  # images of nothing, for a model without that class
        labels, scores = (*labels, NOTHING), np.pad(scores, ((0, 0), (0, 1)))
    nothing = labels.index(NOTHING) if NOTHING in labels else None
    reasons = tuple(rule.applied(prediction).reason for prediction in predictions) if rule is not None else ()
    features = [prediction.features for prediction in predictions if prediction.features is not None]
    familiarity = [prediction.familiarity for prediction in predictions if prediction.familiarity is not None]
    return Measurement(
        score(scores, targets, labels, _answers(scores, targets, reasons, nothing)),
        scores,
        targets,
        files,
        skipped,
        typical_milliseconds(predictions),
        np.stack(features) if features else None,
        np.array(familiarity, np.float32) if familiarity else None,
        reasons,
        nothing,
    )


def _answers(
    scores: npt.NDArray[np.float32],
    targets: npt.NDArray[np.int64],
    reasons: Sequence[str | None],
    nothing: int | None,
) -> npt.NDArray[np.int64]:
    best = np.asarray(scores.argmax(axis=1), np.int64)
    if nothing is None or not reasons:
        return best
    is_refused = np.array([reason is not None for reason in reasons], bool)
    return np.asarray(np.where((targets == nothing) & is_refused, nothing, best), np.int64)


def measure_dataset(
    classifier: Classifier,
    data: Dataset,
    reporter: Reporter,
    title: str = "Evaluating",
    rule: DecisionRule | None = None,
) -> Measurement:
    """Classify every image of a dataset and score the answers; its targets are as for ``measure``.

    Raises:
        DataError: no image can be read.
    """
    files, read = files_of_dataset(classifier, data)
    return measure(classifier, files, data.targets.tolist(), reporter, read, title, rule)


def files_of_dataset(classifier: Classifier, data: Dataset) -> tuple[list[Path], Callable[[Path], Pixels]]:
    """Return the files of a dataset, in its order, and a function that reads one of them for a classifier."""
    names = {data.path(file): file for file in data.files}

    def read(path: Path) -> Pixels:
        return input_picture(data, names[path], classifier.card.preprocessing)

    return list(names), read


def typical_milliseconds(predictions: Sequence[Prediction]) -> float:
    """Return the median time per image for resizing and inference."""
    return float(np.median([sum(prediction.milliseconds.values()) for prediction in predictions]))


def _classified(classifier: Classifier, picture: Pixels | Skipped) -> Prediction | Skipped:
    return picture if isinstance(picture, Skipped) else classifier.classify(picture)


def _read(read: Callable[[Path], Pixels], file: Path) -> Pixels | Skipped:
    try:
        return read(file)
    except ImageError as error:
        return Skipped(printable(str(file)), printable(str(error)))
