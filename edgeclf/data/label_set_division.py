"""Split images that may have several labels, with about the same shares of each label and of each set of labels.

Iterative stratification: the rarest label or set first, each image to the part most short of it (Sechidis et al.,
ECML PKDD 2011). A group of images counts as one image with more weight.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from edgeclf.data.dataset import PARTS, Dataset
from edgeclf.data.near_duplicates import members
from edgeclf.errors import DataError
from edgeclf_runtime.system.plain_text import counted

__all__ = ["split_label_sets"]

_FEWEST = 5  # images with, and without, each label: with fewer, a validation result means nothing

Indices = npt.NDArray[np.int64]


def split_label_sets(data: Dataset, validation: float, test: float, seed: int) -> Dataset:
    """Assign a part to every image; see ``edgeclf.data.division.split``.

    Every part gets images of each label.

    Raises:
        DataError: a label is on too few images, on nearly all of them, or only on images of one group.
    """
    presence, ready = data.presence, set(data.parts) & set(PARTS)
    assert presence is not None
    shares = {"validation": validation, "test": test}
    shares = {part: share for part, share in shares.items() if share and part not in ready}
    free = np.flatnonzero(np.isin(data.parts, ("", "train")))
    _check(data, presence[free])
    parts = np.array(data.parts, dtype="U10")
    parts[free] = "train"
    if shares:
        groups = np.full(len(data.files), -1, np.int64)
        groups[free] = data.groups[free]
        together = members(groups)
        alone = np.setdiff1d(free, np.concatenate([np.zeros(0, np.int64), *together]))
        units = [*together, *alone[:, np.newaxis]]
        division = _Division(data, presence, units, shares, len(free), np.random.default_rng(seed))
        for unit, part in zip(units, division.divided(), strict=True):
            parts[unit] = part
    return data.with_parts(parts.tolist())


def _check(data: Dataset, presence: npt.NDArray[np.bool_]) -> None:
    """Check that each label is on some images and not on others."""
    few = [
        f"label {label!r} is {where} {counted(number, 'readable image')}"
        for label, count in zip(data.labels, presence.sum(axis=0).tolist(), strict=True)
        for number, where in ((count, "on"), (len(presence) - count, "missing from"))
        if number < _FEWEST
    ]
    if few:
        raise DataError(
            f"{data.root}: {'; '.join(few)}; at least {_FEWEST} are needed. Add images or remove the label."
        )


class _Division:
    """Assign units, rows of images that stay together, to parts."""

    def __init__(
        self,
        data: Dataset,
        presence: npt.NDArray[np.bool_],
        units: list[Indices],
        shares: Mapping[str, float],
        count: int,
        rng: np.random.Generator,
    ) -> None:
        self._data, self._names = data, (*shares, "train")
        rows = np.concatenate(units)
        sets, sizes = np.unique(data.targets[rows], return_counts=True)
        frequent = sets[sizes * min(shares.values()) >= 1]  # rarer sets cannot be in every part
        columns = np.concatenate([presence, data.targets[:, None] == frequent], axis=1)
        self._needs = np.array([columns[unit].sum(axis=0) for unit in units], np.int64)  # [units, columns]
        self._sizes = np.array([len(unit) for unit in units], np.int64)
        self._labels = len(data.labels)
        totals, wanted = self._needs.sum(axis=0), np.array([*shares.values(), 0.0])
        wanted[-1] = 1 - wanted.sum()
        self._open = np.outer(wanted, totals)  # [parts, columns], what each part still needs
        self._open[:-1, : self._labels] = np.maximum(self._open[:-1, : self._labels], 1)
        self._room = wanted * count
        self._parts = np.full(len(units), -1, np.int64)
        order = rng.permutation(len(units))
        self._order = order[np.argsort(-self._sizes[order], kind="stable")]

    def divided(self) -> list[str]:
        """Return the part of each unit."""
        while len(left := self._order[self._parts[self._order] < 0]):
            counts = (self._needs[left] > 0).sum(axis=0)
            if not counts.any():  # images without a label, too few to count as a set
                self._assign(left, None)
                break
            column = int(np.argmin(np.where(counts > 0, counts, len(self._parts) + 1)))
            self._assign(left[self._needs[left, column] > 0], column)
        for label in range(self._labels):
            for part in range(len(self._names) - 1):
                if not self._needs[self._parts == part, label].any():
                    self._move(label, part)
        return [self._names[part] for part in self._parts]

    def _assign(self, units: Indices, column: int | None) -> None:
        for unit in units:
            lacks = self._room if column is None else self._open[:, column]
            part = int(np.lexsort((self._room, lacks))[-1])
            self._parts[unit] = part
            self._open[part] -= self._needs[unit]
            self._room[part] -= self._sizes[unit]

    def _move(self, label: int, part: int) -> None:
        """Move a label's smallest unit out of the training part if that keeps an image of every label."""
        train = len(self._names) - 1
        kept = self._needs[self._parts == train].sum(axis=0)
        for unit in self._order[::-1]:
            needs = self._needs[unit, : self._labels]
            if self._parts[unit] == train and needs[label] and (kept[: self._labels] > needs)[needs > 0].all():
                self._parts[unit] = part
                return
        raise DataError(
            f"{self._data.root}: nearly all images with label {self._data.labels[label]!r} belong together "
            f"(near-duplicates, one video, or a group of the CSV); none can be held out for the {self._names[part]} "
            "part. Add images taken at other times, fill in the column part yourself, or pass --group none."
        )
