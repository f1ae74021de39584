"""Figures of a finished training, by part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edgeclf.data.dataset import Dataset
from edgeclf.metrics.label_sets import SetScore, choose_thresholds, score_sets
from edgeclf.metrics.scoring import Score, score
from edgeclf.runs.predictions import Scores
from edgeclf_runtime.system.plain_text import counted

__all__ = ["final_figures", "rare_labels"]

_RARE = 0.25  # recall of a label at its threshold below which a note is printed


def final_figures(
    scores: Mapping[str, Scores], data: Dataset, precision: float
) -> dict[str, Score] | dict[str, SetScore]:
    """Return the figures of each part.

    Args:
        scores: probabilities of the images of each part, in the dataset's order; must include the validation part.
        data: the images.
        precision: target precision of the labels' thresholds on the validation part, if images may have several labels.
    """
    rows = {part: data.rows(part) for part in scores}
    if data.presence is None:
        return {part: score(values, data.targets[rows[part]], data.labels) for part, values in scores.items()}
    present = {part: data.presence[rows[part]] for part in scores}
    limits = choose_thresholds(scores["validation"], present["validation"], precision)
    return {part: score_sets(values, present[part], data.labels, limits) for part, values in scores.items()}


def rare_labels(figures: SetScore) -> Iterator[str]:
    """Yield a line for each label that few of its validation images get, because its threshold is high."""
    for item in figures.labels:
        if item.recall is not None and item.recall < _RARE:
            yield (
                f"Label {item.label!r}: {item.recall:.0%} of its {counted(item.support, 'validation image')} reach its "
                f"threshold, {item.threshold:.2f}. Add images of it, or lower --label-precision."
            )
