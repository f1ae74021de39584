"""Compare a new model with an old one on the same labelled images, and judge whether it is worse.

The new model is worse if, on images of the classes that both know, the 95% interval of the difference is below 0; if
one of these classes loses significantly (exact McNemar test at 5% divided by the number of classes, since with many
classes one would lose by chance: Bonferroni); or if there are images of a class that only the old model knows. Classes
that only the new model knows are reported but not judged: the old model cannot answer them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.cells import cell_len, set_cell_size

from edgeclf.data.dataset import Dataset
from edgeclf.errors import DataError
from edgeclf.evaluation.matched_labels import MatchedLabels
from edgeclf.evaluation.measuring import Measurement, measure_dataset
from edgeclf.metrics.paired import PairedDifference, paired_difference
from edgeclf.metrics.scoring import wilson
from edgeclf.progress import Reporter
from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.decision.decision import DecisionRule
from edgeclf_runtime.pictures.view import View
from edgeclf_runtime.system.plain_text import counted, printable

__all__ = ["Comparison", "compare_models"]

_SIGNIFICANT = 0.05  # for all classes together
_WIDE = 5.0  # percentage points that the interval may reach below 0 before more images are recommended

_Answers = dict[Path, tuple[bool, bool]]  # whether each image's answer is correct, and whether it is refused
_Counts = dict[str, tuple[int, int]]  # by class: number of images, and of correct answers


@dataclass(frozen=True, eq=False)
class Comparison:
    """A new model compared with an old one.

    Attributes:
        old: the old model file, for display.
        total: the difference on images of the classes that both know.
        classes: the same by class.
        added: by class that only the new model knows: number of images, and of correct answers.
        gone: by class that only the old model knows: number of images, and of correct answers.
        refused: number of images in ``total`` that the old and the new model answer with "unknown".
        seen: number of the images that the old model was trained or validated on, as far as is known.
    """

    old: str
    total: PairedDifference
    classes: dict[str, PairedDifference]
    added: _Counts
    gone: _Counts
    refused: tuple[int, int]
    seen: int = 0

    @property
    def losses(self) -> list[str]:
        """What got worse, one phrase each; empty if the new model is not worse."""
        losses = [f"accuracy {_difference(self.total)}"] if self.total.high < 0 else []
        for label, item in self.classes.items():
            if item.lost > item.won and item.p_value * len(self.classes) < _SIGNIFICANT:
                losses.append(f"class {label} {_difference(item)}")
        return losses + [
            f"class {label} is gone (the old model gets {right} of {counted(count, 'image')} right)"
            for label, (count, right) in self.gone.items()
            if count
        ]

    @property
    def verdict(self) -> str:
        """Say in one sentence whether the new model is worse."""
        if self.losses:
            return f"Worse than {self.old}: {'; '.join(self.losses)}."
        more = "; more images make the interval narrower" if self.total.low < -_WIDE else ""
        return f"Not worse than {self.old}: accuracy {_difference(self.total)}{more}."

    def lines(self) -> Iterator[str]:
        """Yield a table of the classes, and the verdict as the last line."""
        classes = counted(len(self.classes), "class", "classes")
        yield f"Compared with {self.old} on the same {counted(self.total.count, 'image')} of {classes}:"
        width = max(map(cell_len, [*self.classes, *self.added]))
        for label, item in self.classes.items():
            shares = f"{item.after / item.count:6.1%} of {item.count:>4}, was {item.before / item.count:6.1%}"
            yield f"{set_cell_size(label, width)}  {shares}: {_difference(item)}"
        for label, (count, right) in self.added.items():
            low, high = wilson(right, count)
            share = f"{right / count:6.1%} of {count:>4}, 95% interval {low:.1%} to {high:.1%}"
            yield f"{set_cell_size(label, width)}  {share}: a new class"
        if missing := [label for label, (count, _) in self.gone.items() if not count]:
            yield f"Not compared, because there are no images of it: {', '.join(missing)}, which the new model lacks"
        if any(self.refused):
            old, new = self.refused
            yield f'Answered "unknown": {new} of {self.total.count}, was {old}'
        if self.seen:
            yield f"The old model was trained on {self.seen} of these images, so the comparison is in its favour"
        yield self.verdict

    def content(self) -> dict[str, Any]:
        """Return the comparison for JSON."""
        counts = {"added": self.added, "gone": self.gone}
        return {
            "model": self.old,
            **asdict(self.total),
            "classes": {label: asdict(item) for label, item in self.classes.items()},
            **{
                name: {label: {"count": count, "correct": right} for label, (count, right) in group.items()}
                for name, group in counts.items()
            },
            "refused": {"before": self.refused[0], "after": self.refused[1]},
            "seen": self.seen,
            "worse": self.losses,
        }


def compare_models(
    outcome: Measurement, old: Classifier, matched: MatchedLabels, data: Dataset, reporter: Reporter, rule: DecisionRule
) -> Comparison:
    """Measure the old model on the same images as the new one, and compare.

    Args:
        outcome: the new model's result on ``matched.images`` for it.
        old: the old model.
        matched: the labels of both models.
        data: images of the classes of both; targets are indices into ``matched.labels``.
        reporter: shows the progress.
        rule: which images are answered with "unknown".

    Raises:
        DataError: no image can be read.
    """
    images = matched.images(_seen_by(data, old.card.view), old.card, matched.old)
    before = _answers(measure_dataset(old, images, reporter, "Evaluating the old model", rule))
    after = _answers(outcome)
    files: dict[str, list[Path]] = {label: [] for label in matched.labels}
    for file, target in zip(data.files, data.targets, strict=True):
        files[matched.labels[target]].append(data.path(file))
    classes: dict[str, PairedDifference] = {}
    added: _Counts = {}
    gone: _Counts = {}
    every: list[Path] = []
    for label, in_new, in_old in zip(matched.labels, matched.new >= 0, matched.old >= 0, strict=True):
        read = [file for file in files[label] if (file in after or not in_new) and (file in before or not in_old)]
        if not in_new:
            gone[label] = len(read), sum(before[file][0] for file in read)
        elif read and not in_old:
            added[label] = len(read), sum(after[file][0] for file in read)
        elif read:
            classes[label] = _paired(read, before, after)
            every += read
    if not every:
        raise DataError("No image of a class that both models know can be read.")
    refused = (sum(before[file][1] for file in every), sum(after[file][1] for file in every))
    return Comparison(printable(old.path), _paired(every, before, after), classes, added, gone, refused)


def _seen_by(data: Dataset, view: View) -> Dataset:
    """Return the images as the other model sees them: whole camera images are cropped by its own card."""
    sources = tuple(_seen_by(source, view) for source in data.sources)
    return replace(data, sources=sources, view=view if data.view.changes else data.view)


def _answers(outcome: Measurement) -> _Answers:
    right = (outcome.answers == outcome.targets).tolist()
    return {
        file: (is_right, reason is not None)
        for file, is_right, reason in zip(outcome.files, right, outcome.reasons, strict=True)
    }


def _paired(files: Iterable[Path], before: _Answers, after: _Answers) -> PairedDifference:
    rows = [(before[file][0], after[file][0]) for file in files]
    return paired_difference(*np.array(rows, np.bool_).T)


def _difference(item: PairedDifference) -> str:
    return f"{item.points:+.1f} points (95% interval {item.low:+.1f} to {item.high:+.1f})"
