"""Join several sources of photographs, such as the folders of two cameras, or photographs and sorted snapshots.

Files of the first source are named ``1/NAME``, those of the second ``2/NAME``, and so on, so that names stay unique.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeclf.data.dataset import PARTS, Dataset, Listed, Skipped, in_order, natural
from edgeclf.data.division import FEWEST, split
from edgeclf.errors import DataError
from edgeclf_runtime.sinks.snapshots.name import folder_name

__all__ = ["divided_apart", "joined", "refuse_the_same", "renamed"]


def refuse_the_same(paths: Sequence[Path]) -> None:
    """Refuse a source that is the same as another or inside it, also through links.

    Raises:
        DataError: two sources overlap; the error names both.
    """
    for row, path in enumerate(paths):
        for other in paths[:row]:
            if not (path.exists() and other.exists()):
                continue  # reported when it is read
            if os.path.samefile(path, other):
                raise DataError(f"{path}: is the same as {other}. Pass it once.")
            for inner, outer in ((path.resolve(), other.resolve()), (other.resolve(), path.resolve())):
                if outer in inner.parents and inner.is_dir():
                    raise DataError(f"{inner}: is inside {outer}, which is also given. Pass only one of them.")


def joined(paths: Sequence[Path], sources: Sequence[Dataset]) -> Dataset:
    """Join the images of several sources: their labels are united, and their groups stay separate.

    A folder of sorted snapshots named ``a%2Fb`` gets the label ``a/b`` if another source has that label.

    Raises:
        DataError: two sources list the same image.
    """
    _refuse_shared_files(paths, sources)
    names = {label for source in sources for label in source.labels}
    own = {folder_name(label): label for label in names}
    labels = sorted({own.get(label, label) for label in names}, key=natural)
    listed, first = [], 0
    for number, source in enumerate(sources, 1):
        targets = [labels.index(own.get(label, label)) for label in source.labels]
        for file, target, part, group in zip(source.files, source.targets, source.parts, source.groups, strict=True):
            listed.append(Listed(part, targets[target], f"{number}/{file}", int(group) + first if group >= 0 else -1))
        first += int(source.groups.max(initial=-1)) + 1
    shown = Path(" + ".join(map(str, paths)))
    return replace(in_order(shown, labels, listed), sources=tuple(sources))


def renamed(number: int, skipped: Sequence[Skipped]) -> list[Skipped]:
    """Return one source's skipped files with the names that they have in the joined dataset."""
    return [Skipped(f"{number}/{item.file}", str(item)) for item in skipped]


def divided_apart(data: Dataset, validation: float, test: float, seed: int) -> Dataset:
    """Split the sources without parts separately from those with parts, which stay as they are.

    A copy of an image that already has a part goes to that part. A class with too few images to split, or too few
    groups of them, goes to the training part if it has others.
    """
    parts = np.array(data.parts, dtype="U10")
    given, free = np.isin(parts, PARTS), parts == ""
    if not (given.any() and free.any()):
        return data
    for row in np.flatnonzero(free & (data.groups >= 0)):
        group_parts = set(parts[given & (data.groups == data.groups[row])].tolist())
        if group_parts:
            parts[row] = group_parts.pop() if len(group_parts) == 1 else "train"
    counts = np.bincount(data.targets[parts == ""], minlength=len(data.labels))
    parts[(parts == "") & (counts[data.targets] < FEWEST)] = "train"
    wanted = 1 + (validation > 0) + (test > 0)
    for target in np.unique(data.targets[given]):
        rows = np.flatnonzero((parts == "") & (data.targets == target))
        if _units(data.groups[rows]) < wanted:
            parts[rows] = "train"
    rows = np.flatnonzero(parts == "")
    if len(rows):
        labels, targets = np.unique(data.targets[rows], return_inverse=True)
        part = replace(data.take(rows), labels=tuple(data.labels[label] for label in labels), targets=targets)
        parts[rows] = split(part, validation, test, seed).parts
    return data.with_parts(parts.tolist())


def _units(groups: npt.NDArray[np.int64]) -> int:
    """Count the units that can be split: a group counts as one."""
    return int((groups < 0).sum()) + len(np.unique(groups[groups >= 0]))


def _refuse_shared_files(paths: Sequence[Path], sources: Sequence[Dataset]) -> None:
    owners: dict[str, Path] = {}
    for path, source in zip(paths, sources, strict=True):
        root = source.root.resolve()
        for file in source.files if source.shards is None else ():
            other = owners.setdefault(str(root / file), path)
            if other != path:
                raise DataError(f"{path}: lists {root / file}, which {other} also has. List each image once.")
