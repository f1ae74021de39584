"""What an evaluation found, as JSON and as a page: figures of every class, confusions, and the wrong images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from edgeclf.data.dataset import Dataset
from edgeclf.evaluation.evaluate import Images
from edgeclf.evaluation.measuring import Measurement
from edgeclf.metrics.confusion import matrix, most_confused
from edgeclf.metrics.scoring import ClassFigures, class_figures, distinct_labels
from edgeclf.pages.html import jpeg, render
from edgeclf_runtime.errors import ImageError
from edgeclf_runtime.pictures.preprocess import Preprocessing, resize
from edgeclf_runtime.system.plain_text import printable

__all__ = ["Evaluation", "render_evaluation"]

_WRONG, _CONFUSED, _SKIPPED, _CLASSES = 60, 30, 50, 60  # shown on the page; of more classes there is no matrix
_SIDE = 240  # pixels of an image there, at most


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A model measured on labelled images.

    Attributes:
        model: the file, for people.
        images: what it was measured on.
        outcome: its scores.
        seen: of the images, those of the training's own parts; None where that is not known.
    """

    model: str
    images: Images
    outcome: Measurement
    seen: Mapping[str, int] | None = None

    @cached_property
    def labels(self) -> list[str]:
        """Of the model; with its number where two classes share one."""
        return distinct_labels(self.images.data.labels)

    @property
    def classes(self) -> list[ClassFigures]:
        """Figures of the classes with images or answers."""
        figures = class_figures(self.outcome.score.confusion, self.labels)
        return [item for item in figures if item.support or item.answers]

    @property
    def warning(self) -> str:
        """One line where images were seen in the training; else empty."""
        if self.seen is None or not any(self.seen.values()):
            return ""
        parts = " and ".join(f"{count} are in the run's {part} part" for part, count in self.seen.items() if count)
        return f"of these {len(self.images.data.files)} images {parts}, so the figures are too good."

    def content(self) -> dict[str, Any]:
        """Everything, for JSON."""
        score = self.outcome.score
        return {
            **asdict(score),
            "skipped": len(self.outcome.skipped),
            "milliseconds": self.outcome.milliseconds,
            "model": self.model,
            "data": self.images.name,
            "labels": self.labels,
            "classes": [asdict(item) for item in self.classes],
            "confused": [asdict(item) for item in most_confused(score.confusion, self.labels, _CONFUSED)],
            "wrong": [self.answer(row) for row in self.wrong_rows()],
            "seen": self.seen,
        }

    def wrong_rows(self) -> list[int]:
        """Rows of the images with another label's answer, the most certain first."""
        scores = self.outcome.scores
        rows = np.flatnonzero(scores.argmax(axis=1) != self.outcome.targets)
        return [int(row) for row in rows[np.argsort(-scores[rows].max(axis=1), kind="stable")]]

    def answer(self, row: int) -> dict[str, Any]:
        """Of one image: its file, label and answer, and the scores of both."""
        scores, target = self.outcome.scores[row], int(self.outcome.targets[row])
        return {
            "file": printable(self.outcome.files[row]),
            "label": self.labels[target],
            "answer": self.labels[int(scores.argmax())],
            "score": float(scores.max()),
            "label_score": float(scores[target]),
        }


def render_evaluation(evaluation: Evaluation) -> str:
    """The page, without any other file."""
    content, data = evaluation.content(), evaluation.images.data
    names = {data.path(file): file for file in data.files}
    shown = []
    for row in evaluation.wrong_rows()[:_WRONG]:
        file = names[evaluation.outcome.files[row]]
        shown.append({**evaluation.answer(row), "file": printable(file), "picture": _thumbnail(data, file)})
    values = {
        **content,
        "warning": evaluation.warning,
        "matrix": _matrix(evaluation),
        "shown": shown,
        "reasons": [item.reason for item in evaluation.outcome.skipped[:_SKIPPED]],
    }
    return render("evaluation.html", values)


def _matrix(evaluation: Evaluation) -> dict[str, Any] | None:
    """Of the classes that occur; None where they are too many for a page."""
    labels = {item.label for item in evaluation.classes}
    rows = [i for i, label in enumerate(evaluation.labels) if label in labels]
    if len(rows) > _CLASSES:
        return None
    counts = np.array(evaluation.outcome.score.confusion, np.int64)[np.ix_(rows, rows)]
    return matrix(counts, [evaluation.labels[i] for i in rows])


def _thumbnail(data: Dataset, file: str) -> str:
    """The whole image, small; empty where it is gone by now."""
    try:
        pixels = data.picture(file)
    except ImageError:
        return ""
    height, width = pixels.shape[:2]
    scale = min(1.0, _SIDE / max(height, width))
    return jpeg(resize(pixels, Preprocessing(max(1, round(width * scale)), max(1, round(height * scale)))))
