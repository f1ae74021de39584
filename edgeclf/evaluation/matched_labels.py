"""Match the labels of two models by name, in any order, so that both are evaluated on the same images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from edgeclf.data.dataset import Dataset
from edgeclf.errors import DataError
from edgeclf.metrics.scoring import distinct_labels
from edgeclf_runtime.model.card import ModelCard
from edgeclf_runtime.prediction import NOTHING

__all__ = ["MatchedLabels"]

_SHOWN = 10


class MatchedLabels:
    """The labels of two models.

    Args:
        new, old: the model cards.

    Attributes:
        card: the new model's card, with the labels that only the old model knows appended; for reading images.
        labels: labels of ``card`` for display, plus ``NOTHING`` if it is not one of them: every model can answer images
            of nothing correctly, with "unknown".
        new, old: for each of ``labels``, its index in that model's labels, int64; -1 if the model does not know it.

    Raises:
        DataError: the models have no label in common.
    """

    def __init__(self, new: ModelCard, old: ModelCard) -> None:
        known = set(_keys(new.labels))
        only_old = [row for row, key in enumerate(_keys(old.labels)) if key not in known]
        if len(only_old) == len(old.labels):
            raise DataError(
                f"The models have no label in common: {_listed(new.labels)} in the new one, {_listed(old.labels)} in "
                "the old one."
            )
        added, ids = tuple(old.labels[row] for row in only_old), old.label_ids or old.labels
        new_ids = (*new.label_ids, *(ids[row] for row in only_old)) if new.label_ids else ()
        self.card = replace(new, labels=(*new.labels, *added), label_ids=new_ids)
        every = self.card.labels if NOTHING in self.card.labels else (*self.card.labels, NOTHING)
        self.labels = distinct_labels(every)
        self.new, self.old = _indices(every, new), _indices(every, old)

    @property
    def shared(self) -> npt.NDArray[np.bool_]:
        """Whether both models know each label, bool ``[labels]``."""
        return np.asarray((self.new >= 0) & (self.old >= 0))

    def check(self, data: Dataset) -> None:
        """Raise DataError if no image is of a class that both models know; targets are indices into ``labels``."""
        if not self.shared[data.targets].any():
            names = [label for label, both in zip(self.labels, self.shared, strict=True) if both]
            raise DataError(f"No image is of a class that both models know; add images of these: {_listed(names)}.")

    @staticmethod
    def images(data: Dataset, card: ModelCard, indices: npt.NDArray[np.int64]) -> Dataset:
        """Return the images that one model can answer, with its own labels.

        Args:
            data: images; targets are indices into ``labels``.
            card: that model's card.
            indices: ``new`` or ``old``, as for ``card``.
        """
        kept = data.take(np.flatnonzero(indices[data.targets] >= 0))
        targets = indices[kept.targets]
        more = (NOTHING,) if (targets == len(card.labels)).any() else ()
        return replace(kept, labels=(*card.labels, *more), targets=targets)


def _keys(labels: Sequence[str]) -> list[tuple[str, int]]:
    """Return each label with the number of its earlier occurrences: ImageNet has two "crane"."""
    seen = Counter[str]()
    keys = []
    for label in labels:
        keys.append((label, seen[label]))
        seen[label] += 1
    return keys


def _indices(labels: Sequence[str], card: ModelCard) -> npt.NDArray[np.int64]:
    own = {key: row for row, key in enumerate(_keys(card.labels))}
    own.setdefault((NOTHING, 0), len(card.labels))
    return np.array([own.get(key, -1) for key in _keys(labels)], np.int64)


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(labels[:_SHOWN]) + (", ..." if len(labels) > _SHOWN else "")
