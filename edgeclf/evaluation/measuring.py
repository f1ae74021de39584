"""Evaluate a model file on labelled images with the runtime, as a device uses it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeclf.data.dataset import Dataset, Skipped
from edgeclf.errors import DataError
from edgeclf.metrics.scoring import Score, score
from edgeclf.progress import Reporter
from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.errors import ImageError
from edgeclf_runtime.pictures.images import read_image
from edgeclf_runtime.pictures.preprocess import Pixels
from edgeclf_runtime.system.native_lines import without_codec_lines
from edgeclf_runtime.system.plain_text import printable

__all__ = ["Measurement", "measure", "measure_dataset"]

_AHEAD = 16  # images decoded ahead


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
    """

    score: Score
    scores: npt.NDArray[np.float32]
    targets: npt.NDArray[np.int64]
    files: tuple[Path, ...]
    skipped: tuple[Skipped, ...]
    milliseconds: float
    features: npt.NDArray[np.float32] | None = None


def measure(
    classifier: Classifier,
    files: Sequence[Path],
    targets: Sequence[int],
    reporter: Reporter,
    read: Callable[[Path], Pixels] = read_image,
    title: str = "Evaluating",
) -> Measurement:
    """Classify every image and score the answers.

    Args:
        classifier: the model.
        files: the images' files.
        targets: the right label of each file, as an index into the card's labels.
        read: returns a file's pixels, uint8 RGB; raises ImageError.
        title: of the progress bar.

    Raises:
        DataError: none can be read.
    """
    rows: list[int] = []
    scores: list[npt.NDArray[np.float32]] = []
    features: list[npt.NDArray[np.float32]] = []
    spent: list[float] = []
    skipped: list[Skipped] = []
    with without_codec_lines(), reporter.bar(title, len(files)) as bar, ThreadPoolExecutor(2) as pool:
        for start in range(0, len(files), _AHEAD):
            for row, picture in enumerate(pool.map(partial(_read, read), files[start : start + _AHEAD]), start):
                bar.advance(1)
                if isinstance(picture, Skipped):
                    skipped.append(picture)
                    continue
                prediction = classifier.classify(picture)
                rows.append(row)
                scores.append(prediction.scores)
                features += [] if prediction.features is None else [prediction.features]
                spent.append(sum(prediction.milliseconds.values()))
    if not rows:
        reason = f" ({skipped[0].reason})" if skipped else ""
        raise DataError(f"No image can be read{reason}.")
    chosen = np.array(targets, np.int64)[rows]
    figures = score(np.stack(scores), chosen, classifier.card.labels)
    kept = tuple(files[row] for row in rows)
    stacked = np.stack(features) if features else None
    return Measurement(figures, np.stack(scores), chosen, kept, tuple(skipped), float(np.median(spent)), stacked)


def measure_dataset(
    classifier: Classifier, data: Dataset, reporter: Reporter, title: str = "Evaluating"
) -> Measurement:
    """Classify every image of a dataset and score the answers; its targets are indices into the card's labels.

    Raises:
        DataError: none can be read.
    """
    names = {data.path(file): file for file in data.files}

    def read(path: Path) -> Pixels:
        return data.picture(names[path])

    return measure(classifier, list(names), data.targets.tolist(), reporter, read, title)


def _read(read: Callable[[Path], Pixels], file: Path) -> Pixels | Skipped:
    try:
        return read(file)
    except ImageError as error:
        return Skipped(printable(str(file)), printable(str(error)))
