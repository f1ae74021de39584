"""Group images that must stay in one part of the split: near-duplicates, and images taken in a row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from edgeclf.data.capture_time import bursts
from edgeclf.data.dataset import Dataset
from edgeclf.data.fingerprints import Fingerprints
from edgeclf.data.near_duplicates import Likeness, joined, members

__all__ = ["Grouping"]

Indices = npt.NDArray[np.int64]
_NO_PAIRS = np.zeros((0, 2), np.int64)


class Grouping:
    """Groups of near-duplicates and of images taken in a row.

    Args:
        data: the images.
        fingerprints: the images' fingerprints.
        way: "none" keeps only the source's own groups; "near" adds near-duplicates within a class; "time" also adds
            images of a class that were taken in a row. If images may have several labels, all count as one class.

    Attributes:
        near: each image's group of near-duplicates, int64 ``[images]``; -1 for none.
        taken_in_a_row: the rows of each burst or segment of a video.
    """

    def __init__(self, data: Dataset, fingerprints: Fingerprints, way: str) -> None:
        self._data = data
        classes = data.targets if data.presence is None else np.zeros_like(data.targets)
        self._likeness = Likeness(fingerprints, classes)
        times = np.where(fingerprints.readable, fingerprints.times, np.nan)
        self.taken_in_a_row = bursts(times, classes) if way == "time" else []
        in_a_row = np.concatenate([np.zeros(0, np.int64), *self.taken_in_a_row])
        self.near = self._likeness.groups(in_a_row) if way != "none" else np.full(len(data.files), -1, np.int64)

    def grouped(self) -> Dataset:
        """Return the dataset with these groups merged into its own."""
        pairs = [_linked(rows) for rows in (*members(self.near), *self.taken_in_a_row)]
        every = np.concatenate([_NO_PAIRS, *pairs])
        return replace(self._data, groups=joined(len(self._data.files), every, self._data.groups))

    def conflicts(self) -> list[Indices]:
        """Return the rows of each photograph that is in more than one class."""
        return self._likeness.conflicts(self._data.targets)

    def remarks(self) -> Iterator[str]:
        """Yield warnings and notes for the user, one line each."""
        data, targets = self._data, self._data.targets
        for target, count in self._likeness.still.items():
            of_class = f" of {data.labels[target]!r}" if data.presence is None else ""
            alike = f"{count} images{of_class} look alike, as with a fixed camera"
            yield f"{alike}; they are not treated as near-duplicates."
        conflicts = self.conflicts()
        for rows in conflicts[:1]:
            two = rows[0], next(row for row in rows if targets[row] != targets[rows[0]])
            shown = " and ".join(f"{data.files[row]} ({data.label_text(int(row))})" for row in two)
            two_labels = "two labels" if data.presence is None else "two sets of labels"
            if len(conflicts) == 1:
                yield f"Warning: one image has {two_labels}: {shown}."
            else:
                yield f"Warning: {len(conflicts)} images have {two_labels} each, for example {shown}."


def _linked(rows: Indices) -> Indices:
    return np.stack([rows[:-1], rows[1:]], axis=1)
