"""Labelled photographs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt

from edgeclf.data.shards import Shards
from edgeclf.errors import DataError
from edgeclf_runtime.pictures.images import decode_image, read_content
from edgeclf_runtime.pictures.preprocess import Pixels
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
"""What a part may be called."""

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
        """Without the file's name, with which it may begin."""
        return self.reason.partition(": ")[2] if self._is_named else self.reason

    @property
    def _is_named(self) -> bool:
        return self.file in self.reason.partition(": ")[0]


@dataclass(frozen=True)
class Listed:
    """One picture of a source: its part or "", class, file, and group or -1."""

    part: str
    target: int
    file: str
    group: int = -1


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled image files.

    Attributes:
        root: the folder.
        labels: names of the classes, in the order of the sub-folders' names.
        files: relative to the root, with forward slashes.
        targets: int64 ``[files]``, an index into ``labels`` each.
        parts: one of ``PARTS`` for each file, or "" where the source does not say.
        groups: int64 ``[files]``; files of one number belong in one part, -1 stands alone.
        shards: where the pictures' bytes are, if not in files.
        sources: those that this one joins, whose numbers from 1 its files begin with; empty where it is a single one.
        note: how the source was understood, in a line, where that is to be said; else empty.
        view: how pictures that are a camera's whole ones are turned and cut, where this joins no others.
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

    def __post_init__(self) -> None:
        if not len(self.groups):
            object.__setattr__(self, "groups", np.full(len(self.files), -1, np.int64))

    def rows(self, part: str) -> Indices:
        """Indices of the files of one part."""
        return np.flatnonzero(np.array(self.parts) == part)

    def take(self, rows: Sequence[int] | Indices) -> Dataset:
        """Only these files."""
        files, parts = tuple(self.files[i] for i in rows), tuple(self.parts[i] for i in rows)
        chosen = np.asarray(rows, np.int64)
        return replace(self, files=files, targets=self.targets[chosen], parts=parts, groups=self.groups[chosen])

    def with_parts(self, parts: Sequence[str]) -> Dataset:
        """The same files in other parts."""
        return replace(self, parts=tuple(parts))

    def content(self, file: str) -> bytes:
        """The bytes of one of the files.

        Raises:
            ImageError: they cannot be read.
        """
        if self.sources:
            source, name = self._of(file)
            return source.content(name)
        return read_content(self.root / file) if self.shards is None else self.shards.content(file)

    def path(self, file: str) -> Path:
        """Where one of the files lies, or lay when it was packed into shards."""
        if self.sources:
            source, name = self._of(file)
            return source.path(name)
        return self.root / file

    def _of(self, file: str) -> tuple[Dataset, str]:
        number, _, name = file.partition("/")
        return self.sources[int(number) - 1], name

    def picture(self, file: str) -> Pixels:
        """The pixels of one of the files, as the network sees it: uint8 RGB ``[height, width, 3]``.

        Raises:
            ImageError: it cannot be read.
        """
        return self.decoded(file, self.content(file))

    def decoded(self, file: str, content: bytes) -> Pixels:
        """The same, of bytes that were read already."""
        if self.sources:
            source, name = self._of(file)
            return source.decoded(name, content)
        return self.view.see(decode_image(content, str(self.path(file))))

    def counts(self, part: str) -> Indices:
        """Files of each class in one part, in label order."""
        return np.bincount(self.targets[self.rows(part)], minlength=len(self.labels)).astype(np.int64)


def in_order(root: Path, labels: Sequence[str], listed: Iterable[Listed], shards: Shards | None = None) -> Dataset:
    """A dataset sorted by part, class and path: the same from every source, as the seed's choices go by position."""
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
    """A key to sort by that takes numbers in names by value, so that class 10 comes after 9; 01 comes before 1."""
    pieces = re.split(r"(\d+)", name)
    return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in pieces], name


def check_labels(source: Path, labels: Sequence[str], expected: str, min_classes: int = 2) -> None:
    """Refuse labels nothing can be trained on; ``min_classes`` is 1 of a source that is not the only one.

    Raises:
        DataError: none, too few, one that cannot be a label, or one twice.
    """
    if not labels:
        raise DataError(f"{source}: has no sub-folders or lines; {expected}.")
    if len(labels) < min_classes:
        raise DataError(f"{source}: has one class only ({labels[0]}); {expected}, two or more classes.")
    labels_by_folder: dict[str, str] = {}
    for label in labels:
        if label.casefold() == UNKNOWN:
            raise DataError(f"{source}: class {label!r} is what a classifier answers when it is unsure. Rename it.")
        if not is_label(label):
            raise DataError(f"{source}: class {label!r} has a name that cannot be a label. Rename it.")
        other = labels_by_folder.get(unquote(label))
        if other == label:
            raise DataError(f"{source}: class {label!r} is there twice, in two spellings of Unicode. Join them.")
        if other is not None:
            old = "as snapshots of earlier versions were called"
            raise DataError(f"{source}: classes {other!r} and {label!r} are one, {old}. Join them.")
        labels_by_folder[unquote(label)] = label
