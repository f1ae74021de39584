"""Labelled photographs, and the folders they lie in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from edgeclf.errors import DataError
from edgeclf.shards import Shards
from edgeclf_runtime.images import IMAGE_SUFFIXES, decode_image, read_content
from edgeclf_runtime.plaintext import printable
from edgeclf_runtime.preprocess import Pixels
from edgeclf_runtime.sinks.snapshots import UNSORTED

__all__ = [
    "PARTS",
    "PART_NAMES",
    "Dataset",
    "Listed",
    "Skipped",
    "check_labels",
    "class_files",
    "find_parts",
    "in_order",
    "natural",
    "scan",
]

PARTS = ("train", "validation", "test")
PART_NAMES = {"train": "train", "training": "train", "val": "validation", "valid": "validation"}
PART_NAMES |= {"validation": "validation", "test": "test", "testing": "test"}
"""What a part may be called."""
_IGNORED = {"thumbs.db", "desktop.ini"}
_PASSED_OVER = {"__MACOSX", "__pycache__", UNSORTED}

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Skipped:
    """A file that was not used."""

    file: str
    reason: str


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
    """

    root: Path
    labels: tuple[str, ...]
    files: tuple[str, ...]
    targets: Indices
    parts: tuple[str, ...]
    groups: Indices = field(default_factory=lambda: np.zeros(0, np.int64))
    shards: Shards | None = None

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
        return read_content(self.root / file) if self.shards is None else self.shards.content(file)

    def picture(self, file: str) -> Pixels:
        """The pixels of one of the files: uint8 RGB ``[height, width, 3]``.

        Raises:
            ImageError: it cannot be read.
        """
        return decode_image(self.content(file), str(self.root / file))

    def counts(self, part: str) -> Indices:
        """Files of each class in one part, in label order."""
        return np.bincount(self.targets[self.rows(part)], minlength=len(self.labels)).astype(np.int64)


def find_parts(root: Path) -> dict[str, Path]:
    """The folder's own ``train``, ``val`` and ``test`` sub-folders, or nothing where it has classes.

    Raises:
        DataError: the folder is missing, two sub-folders mean the same part, or one beside several parts is none.
    """
    found: dict[str, Path] = {}
    folders = _folders(root)
    names = {PART_NAMES.get(folder.name.lower()) for folder in folders}
    if None in names and "train" in names and len(names) > 2:
        other = next(folder.name for folder in folders if folder.name.lower() not in PART_NAMES)
        raise DataError(
            f"{root}: {other} lies beside its parts and is none. Call it train, val or test, or move it away."
        )
    if not folders or None in names or not names & {"train", "test"}:
        return {}
    for folder in folders:
        part = PART_NAMES[folder.name.lower()]
        if part in found:
            raise DataError(f"{root}: both {found[part].name} and {folder.name} mean the {part} part. Keep one.")
        found[part] = folder
    return found


def scan(root: Path) -> tuple[Dataset, list[Skipped]]:
    """List a folder with one sub-folder per class, or with parts that have them. Nothing is opened.

    Returns:
        the files with a picture's suffix, and the others, pictures that lie in no class's folder among them.

    Raises:
        DataError: no such folder, no class, one class, or parts with different classes.
    """
    parts = find_parts(root) or {"": root}
    if "" not in parts and "train" not in parts:
        raise DataError(f"{root}: has {', '.join(sorted(p.name for p in parts.values()))} but no train folder.")
    labels = tuple(folder.name for folder in _folders(parts.get("train", root)))
    check_labels(root, labels, "expected one sub-folder of pictures per class")
    listed: list[Listed] = []
    skipped: list[Skipped] = []
    for path in sorted({path for folder in (root, *parts.values()) for path in _loose(folder)}):
        skipped.append(Skipped(printable(path.relative_to(root)), "lies in no class's folder"))
    for part, folder in sorted(parts.items()):
        for target, path in _labelled(folder, labels):
            file = path.relative_to(root).as_posix()
            if (shown := printable(file)) != file:
                skipped.append(Skipped(shown, "its name is not UTF-8 text; rename it"))
            elif path.suffix.lower() in IMAGE_SUFFIXES:
                listed.append(Listed(part, target, file))
            else:
                skipped.append(Skipped(file, f"no kind of picture edgeclf reads ({path.suffix or 'no suffix'})"))
    return in_order(root, labels, listed), skipped


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


def class_files(root: Path) -> dict[str, list[Path]]:
    """The files with a picture's suffix in each sub-folder, by its name.

    Raises:
        DataError: no such folder.
    """
    return {
        folder.name: [path for path in _visible(folder) if path.suffix.lower() in IMAGE_SUFFIXES]
        for folder in _folders(root)
    }


def _folders(root: Path) -> list[Path]:
    if not root.exists():
        raise DataError(f"{root}: no such folder.")
    if not root.is_dir():
        raise DataError(f"{root}: is a file; expected a folder with one sub-folder of pictures per class.")
    return sorted(
        (p for p in root.iterdir() if p.is_dir() and not _is_hidden(p.name)), key=lambda path: natural(path.name)
    )


def natural(name: str) -> list[tuple[int, str]]:
    """A key to sort by that takes numbers in names by value, so that class 10 comes after 9."""
    pieces = re.split(r"(\d+)", name)
    return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in pieces]


def check_labels(source: Path, labels: Sequence[str], expected: str) -> None:
    """Refuse labels nothing can be trained on.

    Raises:
        DataError: none, one only, or one that cannot be a label.
    """
    if not labels:
        raise DataError(f"{source}: has no sub-folders or lines; {expected}.")
    if len(labels) == 1:
        raise DataError(f"{source}: has one class only ({labels[0]}); {expected}, two or more classes.")
    for label in labels:
        if label != label.strip() or not label.isprintable():
            raise DataError(f"{source}: class {label!r} has a name that cannot be a label. Rename it.")


def _labelled(folder: Path, labels: tuple[str, ...]) -> list[tuple[int, Path]]:
    found = []
    for sub in _folders(folder):
        if sub.name not in labels:
            raise DataError(f"{sub}: a class the train part does not have. Its classes: {', '.join(labels)}.")
        target = labels.index(sub.name)
        found += [(target, path) for path in _visible(sub)]
    return found


def _loose(folder: Path) -> list[Path]:
    """The pictures beside the classes' folders."""
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and not _ignored(path, folder)]
    return [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]


def _visible(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and not _ignored(path, folder)]


def _ignored(path: Path, below: Path) -> bool:
    return any(map(_is_hidden, path.relative_to(below).parts)) or path.name.lower() in _IGNORED


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in _PASSED_OVER
