"""A run's predictions for its validation and test images, stored so that they are not computed again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeclf.config.train import preprocessing
from edgeclf.data.dataset import Dataset
from edgeclf.data.image_cache import decode
from edgeclf.errors import DataError
from edgeclf.metrics.label_sets import sigmoid
from edgeclf.metrics.scoring import softmax
from edgeclf.model.network import build_classifier, set_weights
from edgeclf.progress import Reporter
from edgeclf.runs.environment import file_digest
from edgeclf.runs.run import Run
from edgeclf_converters.parity.scores import NetworkScores

__all__ = ["JUDGED", "Answers", "Scores", "probabilities", "read_answers", "weights_digest", "write_scores"]

JUDGED = ("validation", "test")  # parts that are evaluated; choices are made on the first

Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Answers:
    """The images of one part and their scores.

    Attributes:
        data: the images.
        scores: probabilities ``[images, classes]``, float32.
    """

    data: Dataset
    scores: Scores

    @property
    def chosen(self) -> npt.NDArray[np.int64]:
        """The class with the best score, int64 ``[images]``."""
        return np.asarray(self.scores.argmax(axis=1), np.int64)

    @property
    def presence(self) -> npt.NDArray[np.bool_]:
        """Which labels each image has, bool ``[images, labels]``, if it may have several."""
        assert self.data.presence is not None
        return self.data.presence

    @property
    def best(self) -> Scores:
        """The best score, float32 ``[images]``."""
        return np.asarray(self.scores.max(axis=1), np.float32)


def write_scores(run: Run, scores: Mapping[str, Scores]) -> None:
    """Write the scores of each part's images, in the split's order, to ``scores.npz``."""
    run.write_arrays("scores", {**scores, "weights": weights_digest(run)})


def read_answers(run: Run, reporter: Reporter) -> dict[str, Answers]:
    """Return the predictions of the run's weights by part; compute and store them if they are missing or outdated.

    Raises:
        RunError: the training has no weights or split yet.
        DataError: an image is missing.
    """
    data = run.read_split()
    parts = {part: data.take(data.rows(part)) for part in JUDGED if len(data.rows(part))}
    scores = _kept(run, parts)
    if scores is None:
        scores = {part: _computed(run, pictures, reporter) for part, pictures in parts.items()}
        write_scores(run, scores)
    return {part: Answers(pictures, scores[part]) for part, pictures in parts.items()}


def _kept(run: Run, parts: Mapping[str, Dataset]) -> dict[str, Scores] | None:
    if not run.has_arrays("scores"):
        return None
    kept = run.read_arrays("scores")
    if not np.array_equal(kept.pop("weights"), weights_digest(run)):
        return None
    return kept if all(len(kept.get(part, ())) == len(data.files) for part, data in parts.items()) else None


def _computed(run: Run, data: Dataset, reporter: Reporter) -> Scores:
    rule, weights = preprocessing(run.config), run.read_arrays("weights")
    model = build_classifier(run.config.network, run.config.input_size, len(data.labels), run.config.head)
    set_weights(model, weights)
    pictures, unread = decode(data, rule, 0, run.path / ".pictures", reporter)
    with pictures:
        if unread:
            raise DataError(f"{unread[0].reason} The model was trained with it; restore the file.")
        with reporter.bar("Measuring", 0):
            return probabilities(NetworkScores(model, rule)(pictures.inputs), data)


def probabilities(logits: Scores, data: Dataset) -> Scores:
    """Return the probabilities for a network's outputs: softmax, or sigmoids for several labels per image."""
    return softmax(logits) if data.presence is None else sigmoid(logits)


def weights_digest(run: Run) -> npt.NDArray[np.uint8]:
    """Return the SHA-256 of the weights file, uint8 ``[32]``."""
    return np.frombuffer(file_digest(run.path / "weights.npz"), np.uint8)
