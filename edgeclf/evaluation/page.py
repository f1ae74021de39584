"""Show an evaluation as JSON and as a page: figures per class, confusions, and wrong answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeclf.data.dataset import Dataset
from edgeclf.evaluation.evaluate import Images
from edgeclf.evaluation.measuring import Measurement
from edgeclf.metrics.confusion import matrix, most_confused
from edgeclf.metrics.scoring import ClassFigures, class_figures, distinct_labels
from edgeclf.pages.html import jpeg, render
from edgeclf_runtime.errors import ImageError
from edgeclf_runtime.pictures.preprocess import Preprocessing, resize
from edgeclf_runtime.system.plain_text import counted, plain, printable

if TYPE_CHECKING:
    from edgeclf.evaluation.against import Comparison
    from edgeclf.evaluation.under_faults import FaultFigures, UnderFaults

__all__ = ["Evaluation", "render_evaluation", "thumbnail"]

_WRONG, _CONFUSED, _SKIPPED, _CLASSES = 60, 30, 50, 60  # shown on the page; with more classes, no matrix
_SIDE = 240  # maximum width and height of an image on the page, in pixels
_EXAMPLE = 112  # width and height of the example of a fault


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The evaluation of a model on labelled images.

    Attributes:
        model: the model file, for display.
        images: the images it was evaluated on.
        outcome: the scores.
        seen: number of these images in each part of the training; None if that is not known.
        faults: the figures under camera faults; None if they were not measured.
        comparison: the comparison with an old model; None without one.
    """

    model: str
    images: Images
    outcome: Measurement
    seen: Mapping[str, int] | None = None
    faults: UnderFaults | None = None
    comparison: Comparison | None = None

    @cached_property
    def labels(self) -> list[str]:
        """Return the model's labels, with the class's number added to labels that several classes share."""
        return distinct_labels(self.images.data.labels)

    @property
    def classes(self) -> list[ClassFigures]:
        """Return the figures of the classes that have images or answers."""
        figures = class_figures(self.outcome.score.confusion, self.labels)
        return [item for item in figures if item.support or item.answers]

    @property
    def warning(self) -> str:
        """Return a warning if training used some of the images, else an empty string."""
        if self.seen is None or not any(self.seen.values()):
            return ""
        parts = " and ".join(
            f"{count} {'is' if count == 1 else 'are'} in the run's {part} part"
            for part, count in self.seen.items()
            if count
        )
        return f"of {counted(len(self.images.data.files), 'image')}, {parts}, so the figures are too good."

    def content(self) -> dict[str, Any]:
        """Return the whole evaluation for JSON."""
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
            "refusals": {**asdict(self.outcome.refusals), "accuracy": self.outcome.refusals.accuracy},
            **({} if self.faults is None else {"camera_faults": self.faults.content()}),
            **({} if self.comparison is None else {"against": self.comparison.content()}),
        }

    def wrong_rows(self) -> list[int]:
        """Return the rows of images with a wrong answer, most confident first, including refused ones."""
        scores = self.outcome.scores
        rows = np.flatnonzero(self.outcome.answers != self.outcome.targets)
        return [int(row) for row in rows[np.argsort(-scores[rows].max(axis=1), kind="stable")]]

    def answer(self, row: int) -> dict[str, Any]:
        """Return an image's file, label and answer, with the scores of both, why it is refused, and familiarity."""
        scores, target = self.outcome.scores[row], int(self.outcome.targets[row])
        familiarity, reasons = self.outcome.familiarity, self.outcome.reasons
        return {
            "file": printable(self.outcome.files[row]),
            "label": self.labels[target],
            "answer": self.labels[int(scores.argmax())],
            "score": float(scores.max()),
            "label_score": float(scores[target]),
            "reason": reasons[row] if reasons else None,
            **({} if familiarity is None else {"familiarity": float(familiarity[row])}),
        }


def render_evaluation(evaluation: Evaluation) -> str:
    """Render the page as a single file."""
    content, data = evaluation.content(), evaluation.images.data
    names = {data.path(file): file for file in data.files}
    shown = []
    for row in evaluation.wrong_rows()[:_WRONG]:
        file = names[evaluation.outcome.files[row]]
        shown.append({**evaluation.answer(row), "file": printable(file), "picture": thumbnail(data, file)})
    values = {
        **content,
        "warning": evaluation.warning,
        "has_familiarity": evaluation.outcome.familiarity is not None,
        "matrix": _matrix(evaluation),
        "shown": shown,
        "reasons": [item.reason for item in evaluation.outcome.skipped[:_SKIPPED]],
        "faults": evaluation.faults and _faults(evaluation),
        "compared": [] if evaluation.comparison is None else list(map(plain, evaluation.comparison.lines())),
    }
    return render("evaluation.html", values)


def _matrix(evaluation: Evaluation) -> dict[str, Any] | None:
    """Return the confusion matrix of the classes that occur; None if there are too many for a page."""
    labels = {item.label for item in evaluation.classes}
    rows = [i for i, label in enumerate(evaluation.labels) if label in labels]
    if len(rows) > _CLASSES:
        return None
    counts = np.array(evaluation.outcome.score.confusion, np.int64)[np.ix_(rows, rows)]
    return matrix(counts, [evaluation.labels[i] for i in rows])


def _faults(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return the faults, most harmful first, with their figures by strength and an example image."""
    from edgeclf.evaluation.camera_faults import FAULTS, with_fault

    assert evaluation.faults is not None
    file = evaluation.faults.files[0]
    try:
        shown = resize(evaluation.images.data.picture(file), Preprocessing(_EXAMPLE, _EXAMPLE, resize="crop"))
    except ImageError:
        shown = None
    by_fault: dict[str, list[FaultFigures]] = {name: [] for name in FAULTS}
    for item in evaluation.faults.figures:
        by_fault[item.fault].append(item)
    return [
        {
            "name": name,
            "advice": FAULTS[name].advice,
            "levels": sorted(levels, key=lambda item: item.level),
            "picture": "" if shown is None else jpeg(with_fault(shown, name, 1, evaluation.faults.seed)),
        }
        for name, levels in sorted(by_fault.items(), key=lambda pair: -sum(item.lost for item in pair[1]))
    ]


def thumbnail(data: Dataset, file: str) -> str:
    """Return a small version of the whole image; empty if the file no longer exists."""
    try:
        pixels = data.picture(file)
    except ImageError:
        return ""
    height, width = pixels.shape[:2]
    scale = min(1.0, _SIDE / max(height, width))
    return jpeg(resize(pixels, Preprocessing(max(1, round(width * scale)), max(1, round(height * scale)))))
