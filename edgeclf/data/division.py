"""Split a dataset into train, validation and test parts, stratified by class; a group always stays in one part."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from edgeclf.data.dataset import PARTS, Dataset
from edgeclf.data.label_set_division import split_label_sets
from edgeclf.data.near_duplicates import members
from edgeclf.errors import DataError
from edgeclf_runtime.system.plain_text import counted

__all__ = ["split"]

FEWEST = 5  # images of each class: with fewer, a validation result means nothing

Indices = npt.NDArray[np.int64]
Shares = dict[str, float]


def split(data: Dataset, validation: float, test: float, seed: int) -> Dataset:
    """Assign a part to every file, with the same shares of each class as far as its groups allow.

    Parts given by the source stay as they are; a missing part with a share is taken from the training part. Without
    groups, the shares of each class are exact. A group goes where its first image would go on its own if all its images
    fit there, otherwise to the training part; images without a group fill what is left.

    Args:
        data: the images.
        validation: share of the validation part, in [0, 1).
        test: share of the test part, in [0, 1).
        seed: random seed.

    Raises:
        DataError: a class has too few images or groups to split.
    """
    if data.presence is not None:
        return split_label_sets(data, validation, test, seed)
    ready = set(data.parts) & set(PARTS)  # not "unreadable"
    asked: Shares = {"validation": validation, "test": test}
    shares = {part: share for part, share in asked.items() if share and part not in ready}
    parts = np.array(data.parts, dtype="U10")
    free = np.isin(parts, ("", "train"))
    orders = [_order(data, free, target, seed) for target in range(len(data.labels))]
    for order in orders:
        parts[order] = _quota(len(order), shares)
    groups = _groups(data, free)
    if shares and groups:
        parts[free] = _Division(data, parts, free, groups, shares).divided(orders)[free]
    return data.with_parts(parts.tolist())


def _order(data: Dataset, free: npt.NDArray[np.bool_], target: int, seed: int) -> Indices:
    """Return the rows of one class that have no part yet, shuffled by the seed."""
    rows = np.flatnonzero((data.targets == target) & free)
    if len(rows) < FEWEST:
        where = data.root / "train" if set(data.parts) & {"train"} and not data.sources else data.root
        raise DataError(
            f"{where}: class {data.labels[target]!r} has {counted(len(rows), 'readable image')}; "
            f"at least {FEWEST} are needed. Add images or remove the class."
        )
    return rows[np.random.default_rng([seed, target]).permutation(len(rows))]


def _quota(count: int, shares: Shares) -> list[str]:
    """Return a part for each of ``count`` images of a class; every part gets at least one."""
    numbers = {part: max(1, round(count * share)) for part, share in shares.items()}
    if sum(numbers.values()) >= count:  # after rounding up, nothing would be left to train on
        numbers[max(numbers, key=lambda part: numbers[part])] -= 1 + sum(numbers.values()) - count
    quota = [part for part, number in numbers.items() for _ in range(number)]
    return quota + ["train"] * (count - len(quota))


def _groups(data: Dataset, free: npt.NDArray[np.bool_]) -> list[Indices]:
    """Return the groups of rows that have no part yet, the largest group first."""
    return sorted(members(np.where(free, data.groups, -1)), key=lambda group: (-len(group), int(group[0])))


class _Division:
    def __init__(
        self,
        data: Dataset,
        planned: npt.NDArray[np.str_],
        free: npt.NDArray[np.bool_],
        groups: Sequence[Indices],
        shares: Iterable[str],
    ) -> None:
        self._data, self._planned, self._free, self._groups = data, planned, free, groups
        self._asked = tuple(shares)
        self._parts = np.where(free, "", planned)
        self._room = {part: self._counts(np.flatnonzero(free & (planned == part))) for part in (*self._asked, "train")}

    def divided(self, orders: Sequence[Indices]) -> npt.NDArray[np.str_]:
        """Place groups, then single images, then fill parts in which a class has no image."""
        for group in self._groups:
            part, need = str(self._planned[group[0]]), self._counts(group)
            self._put(group, part if (self._room[part] >= need).all() else "train")
        for target, order in enumerate(orders):
            alone = order[self._parts[order] == ""]
            quota = [part for part in self._asked for _ in range(max(0, int(self._room[part][target])))]
            self._parts[alone] = (quota + ["train"] * len(alone))[: len(alone)]
            for part in self._asked:
                self._room[part][target] -= quota[: len(alone)].count(part)
        self._fill()
        for target in range(len(orders)):
            for part in self._asked:
                if not self._has(part)[target]:
                    self._move(target, part)
        return self._parts

    def _fill(self) -> None:
        """Move groups to parts with room for at least half of them, largest first, to get closer to the shares."""
        for group in self._groups:
            if self._parts[group[0]] != "train":
                continue
            need = self._counts(group)
            for part in self._asked:
                if (2 * self._room[part] >= need)[need > 0].all() and self._stays(group):
                    self._put(group, part)
                    break

    def _stays(self, group: Indices) -> bool:
        """Return whether the training part keeps an image of every class without this group."""
        taken = self._counts(group)
        return bool((self._has("train")[taken > 0] > taken[taken > 0]).all())

    def _counts(self, rows: Indices) -> Indices:
        return np.bincount(self._data.targets[rows], minlength=len(self._data.labels))

    def _has(self, part: str) -> Indices:
        return self._counts(np.flatnonzero(self._free & (self._parts == part)))

    def _put(self, group: Indices, part: str) -> None:
        self._parts[group] = part
        self._room[part] = self._room[part] - self._counts(group)

    def _move(self, target: int, part: str) -> None:
        """Move a class's smallest group out of the training part if that keeps an image of every class."""
        for group in reversed(self._groups):
            if self._parts[group[0]] == "train" and self._counts(group)[target] and self._stays(group):
                return self._put(group, part)
        raise DataError(
            f"{self._data.root}: nearly all images of class {self._data.labels[target]!r} belong together "
            f"(near-duplicates, one video, or a group of the CSV); none can be held out for the {part} part. Add "
            f"images taken at other times, move some into a folder {part} yourself, or pass --group none."
        )
