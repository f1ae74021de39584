"""A dataset: labelled image files, their classes, and the parts of a split they belong to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt

from edgeclf.data.label_cell import joined_names
from edgeclf.data.shards import Shards
from edgeclf.errors import DataError
from edgeclf_runtime.pictures.images import decode_image, read_content
from edgeclf_runtime.pictures.preprocess import Pixels, Preprocessing
from edgeclf_runtime.pictures.view import View
from edgeclf_runtime.prediction import UNKNOWN
from edgeclf_runtime.system.plain_text import is_label

__all__ = [
    "PARTS",
    "PART_NAMES",
    "Dataset",
    "Listed",
    "Skipped",
    "check_labels",
    "in_order",
    "natural",
]

PARTS = ("train", "validation", "test")
PART_NAMES = {"train": "train", "training": "train", "val": "validation", "valid": "validation"}
PART_NAMES |= {"validation": "validation", "test": "test", "testing": "test"}
"""Names that a part may have in a folder or CSV, and the part each stands for."""

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Skipped:
    """A file that was not used."""

    file: str
    reason: str

    def __str__(self) -> str:
        return self.reason if self._is_named else f"{self.file}: {self.reason}"

    @property
    def reason_alone(self) -> str:
        """The reason without the file name that it may begin with."""
        return self.reason.partition(": ")[2] if self._is_named else self.reason

    @property
    def _is_named(self) -> bool:
        return self.file in self.reason.partition(": ")[0]


@dataclass(frozen=True)
class Listed:
    """One image of a source: part ("" if unknown), class index, file name, and group (-1 if it has none)."""

    part: str
    target: int
    file: str
    group: int = -1


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled image files.

    Attributes:
        root: the folder of the files.
        labels: class names, in the order of the sub-folders' names.
        files: paths relative to the root, with forward slashes.
        targets: int64 ``[files]``, each an index into ``labels``.
        parts: one of ``PARTS`` for each file, or "" if the source does not say.
        groups: int64 ``[files]``; files with the same number must stay in one part, -1 means no group.
        shards: the TFRecord shards with the images' bytes, if these are not in separate files.
        sources: the datasets joined in this one; its file names then begin with their numbers, from 1. Empty for a
            single source.
        note: one line on how the source's layout was interpreted; empty if its names leave no doubt.
        view: rotation and region to apply to whole camera frames; unused if this joins other datasets.
        presence: bool ``[files, labels]``, which labels each file has, if it may have several; the targets then only
            number the distinct sets of labels. None if each file has one label.
    """

    root: Path
    labels: tuple[str, ...]
    files: tuple[str, ...]
    targets: Indices
    parts: tuple[str, ...]
    groups: Indices = field(default_factory=lambda: np.zeros(0, np.int64))
    shards: Shards | None = None
    sources: tuple[Dataset, ...] = ()
    note: str = ""
    view: View = field(default_factory=View)
    presence: npt.NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        if not len(self.groups):
            object.__setattr__(self, "groups", np.full(len(self.files), -1, np.int64))

    def rows(self, part: str) -> Indices:
        """Return the indices of the files in one part."""
        return np.flatnonzero(np.array(self.parts) == part)

    @property
    def wanted(self) -> Indices | npt.NDArray[np.bool_]:
        """What a network is trained to answer: the targets, or ``presence`` if images may have several labels."""
        return self.targets if self.presence is None else self.presence

    def label_text(self, row: int) -> str:
        """Return the label of one file; ``a|b`` for several, ``_none`` for no label."""
        return (
            self.labels[self.targets[row]] if self.presence is None else joined_names(self.labels, self.presence[row])
        )

    def take(self, rows: Sequence[int] | Indices) -> Dataset:
        """Return a dataset of these files only."""
        files, parts = tuple(self.files[i] for i in rows), tuple(self.parts[i] for i in rows)
        chosen = np.asarray(rows, np.int64)
        presence = None if self.presence is None else self.presence[chosen]
        targets, groups = self.targets[chosen], self.groups[chosen]
        return replace(self, files=files, targets=targets, parts=parts, groups=groups, presence=presence)

    def with_parts(self, parts: Sequence[str]) -> Dataset:
        """Return the same files with other parts."""
        return replace(self, parts=tuple(parts))

    def content(self, file: str) -> bytes:
        """Read the bytes of one file.

        Raises:
            ImageError: the file cannot be read.
        """
        if self.sources:
            source, name = self._of(file)
            return source.content(name)
        return read_content(self.root / file) if self.shards is None else self.shards.content(file)

    def path(self, file: str) -> Path:
        """Return the path of one file, or the path it had before it was packed into shards."""
        if self.sources:
            source, name = self._of(file)
            return source.path(name)
        return self.root / file

    def view_of(self, file: str) -> View:
        """Return the rotation and region to apply to one file."""
        return self._of(file)[0].view if self.sources else self.view

    def _of(self, file: str) -> tuple[Dataset, str]:
        number, _, name = file.partition("/")
        return self.sources[int(number) - 1], name

    def picture(self, file: str, rule: Preprocessing | None = None) -> Pixels:
        """Decode one file, after rotation and region: uint8 RGB ``[height, width, 3]``.

        Args:
            file: one of ``files``.
            rule: the preprocessing of the network that the image is for, which says how JPEGs are decoded; None decodes
                them at full size.

        Raises:
            ImageError: the file cannot be read or decoded.
        """
        return self.decoded(file, self.content(file), rule)

    def decoded(self, file: str, content: bytes, rule: Preprocessing | None = None) -> Pixels:
        """Decode one file from bytes already read, as ``picture`` does."""
        if self.sources:
            source, name = self._of(file)
            return source.decoded(name, content, rule)
        min_size = self.view.before_turning(rule.min_decoded_size) if rule is not None else 0
        return self.view.see(decode_image(content, str(self.path(file)), min_size=min_size))

    def counts(self, part: str) -> Indices:
        """Count the files of each class in one part: int64 ``[labels]``."""
        if self.presence is not None:
            return np.asarray(self.presence[self.rows(part)].sum(axis=0), np.int64)
        return np.bincount(self.targets[self.rows(part)], minlength=len(self.labels)).astype(np.int64)


def in_order(root: Path, labels: Sequence[str], listed: Iterable[Listed], shards: Shards | None = None) -> Dataset:
    """Return a dataset sorted by part, class and path, so that a seed makes the same choices for every source."""
    rows = sorted(listed, key=lambda row: (row.part, row.target, PurePosixPath(row.file).parts))
    return Dataset(
        root,
        tuple(labels),
        tuple(row.file for row in rows),
        np.array([row.target for row in rows], np.int64),
        tuple(row.part for row in rows),
        np.array([row.group for row in rows], np.int64),
        shards,
    )


def natural(name: str) -> tuple[list[tuple[int, str]], str]:
    """Return a sort key that compares numbers in names by value: class 10 comes after 9, and 01 before 1."""
    pieces = re.split(r"(\d+)", name)
    return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in pieces], name


def check_labels(source: Path, labels: Sequence[str], expected: str, min_classes: int = 2) -> None:
    """Check that a model can be trained on these labels; ``min_classes`` is 1 for one of several sources.

    Raises:
        DataError: there are too few labels, one of them is not allowed, or one appears twice.
    """
    if not labels:
        raise DataError(f"{source}: has no sub-folders or lines; {expected}.")
    if len(labels) < min_classes:
        raise DataError(f"{source}: has only one class ({labels[0]}); {expected}, with two or more classes.")
    labels_by_folder: dict[str, str] = {}
    for label in labels:
        if label.casefold() == UNKNOWN:
            raise DataError(f"{source}: class {label!r} has the name of the answer for uncertain images. Rename it.")
        if not is_label(label):
            raise DataError(f"{source}: class {label!r} cannot be a label. Rename it.")
        other = labels_by_folder.get(unquote(label))
        if other == label:
            raise DataError(f"{source}: class {label!r} appears twice, in two Unicode spellings. Merge them.")
        if other is not None:
            old = "as earlier versions named folders of snapshots"
            raise DataError(f"{source}: classes {other!r} and {label!r} are the same, {old}. Merge them.")
        labels_by_folder[unquote(label)] = label
