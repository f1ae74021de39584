"""Labelled photographs in folders, and their division into parts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeclf.errors import DataError
from edgeclf_runtime.images import IMAGE_SUFFIXES

__all__ = ["PARTS", "Dataset", "Skipped", "class_files", "find_parts", "scan", "split"]

PARTS = ("train", "validation", "test")
FEWEST = 5  # pictures of a class that is divided: below, a validation result says nothing
_PART_NAMES = {"train": "train", "training": "train", "val": "validation", "valid": "validation"}
_PART_NAMES |= {"validation": "validation", "test": "test", "testing": "test"}
_IGNORED = {"thumbs.db", "desktop.ini"}

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Skipped:
    """A file that was not used."""

    file: str
    reason: str


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled image files.

    Attributes:
        root: the folder.
        labels: names of the classes, in the order of the sub-folders' names.
        files: relative to the root, with forward slashes.
        targets: int64 ``[files]``, an index into ``labels`` each.
        parts: one of ``PARTS`` for each file, or "" where the folder does not say.
    """

    root: Path
    labels: tuple[str, ...]
    files: tuple[str, ...]
    targets: Indices
    parts: tuple[str, ...]

    def rows(self, part: str) -> Indices:
        """Indices of the files of one part."""
        return np.flatnonzero(np.array(self.parts) == part)

    def take(self, rows: Sequence[int] | Indices) -> Dataset:
        """Only these files."""
        files, parts = tuple(self.files[i] for i in rows), tuple(self.parts[i] for i in rows)
        return Dataset(self.root, self.labels, files, self.targets[np.asarray(rows, np.int64)], parts)

    def with_parts(self, parts: Sequence[str]) -> Dataset:
        """The same files in other parts."""
        return Dataset(self.root, self.labels, self.files, self.targets, tuple(parts))

    def counts(self, part: str) -> Indices:
        """Files of each class in one part, in label order."""
        return np.bincount(self.targets[self.rows(part)], minlength=len(self.labels)).astype(np.int64)


def find_parts(root: Path) -> dict[str, Path]:
    """The folder's own ``train``, ``val`` and ``test`` sub-folders, or nothing where it has classes.

    Raises:
        DataError: the folder is missing, or two sub-folders mean the same part.
    """
    found: dict[str, Path] = {}
    folders = _folders(root)
    names = {_PART_NAMES.get(folder.name.lower()) for folder in folders}
    if not folders or None in names or not names & {"train", "test"}:
        return {}
    for folder in folders:
        part = _PART_NAMES[folder.name.lower()]
        if part in found:
            raise DataError(f"{root}: both {found[part].name} and {folder.name} mean the {part} part. Keep one.")
        found[part] = folder
    return found


def scan(root: Path) -> tuple[Dataset, list[Skipped]]:
    """List a folder with one sub-folder per class, or with parts that have them. Nothing is opened.

    Returns:
        the files with a picture's suffix, and the others.

    Raises:
        DataError: no such folder, no class, one class, or parts with different classes.
    """
    parts = find_parts(root) or {"": root}
    if "" not in parts and "train" not in parts:
        raise DataError(f"{root}: has {', '.join(sorted(p.name for p in parts.values()))} but no train folder.")
    labels = tuple(folder.name for folder in _folders(parts.get("train", root)))
    _check_labels(root, labels)
    files: list[str] = []
    targets: list[int] = []
    names: list[str] = []
    skipped: list[Skipped] = []
    for part, folder in sorted(parts.items()):
        for target, path in _labelled(folder, labels):
            file = path.relative_to(root).as_posix()
            if path.suffix.lower() not in IMAGE_SUFFIXES:
                skipped.append(Skipped(file, f"no kind of picture edgeclf reads ({path.suffix or 'no suffix'})"))
                continue
            files.append(file)
            targets.append(target)
            names.append(part)
    return Dataset(root, labels, tuple(files), np.array(targets, np.int64), tuple(names)), skipped


def class_files(root: Path) -> dict[str, list[Path]]:
    """The files with a picture's suffix in each sub-folder, by its name.

    Raises:
        DataError: no such folder.
    """
    return {
        folder.name: [path for path in _visible(folder) if path.suffix.lower() in IMAGE_SUFFIXES]
        for folder in _folders(root)
    }


def split(data: Dataset, validation: float, test: float, seed: int) -> Dataset:
    """Give every file its part; each class is divided in the same shares.

    A part the folder has is left as it is; a missing validation part is taken from the training part.

    Raises:
        DataError: a class with too few pictures to divide.
    """
    parts = list(data.parts)
    ready = set(parts) - {""}
    if "validation" in ready:
        shares = {}
    else:
        shares = {"validation": validation} if ready else {"validation": validation, "test": test}
    for target, label in enumerate(data.labels):
        rows = [i for i in np.flatnonzero(data.targets == target) if parts[i] in ("", "train")]
        if len(rows) < FEWEST:
            where = f"{data.root / 'train' if ready else data.root}"
            raise DataError(
                f"{where}: class {label!r} has {len(rows)} readable pictures; at least {FEWEST} are needed. "
                "Add pictures or remove its folder."
            )
        order = np.random.default_rng([seed, target]).permutation(len(rows))
        for row, part in zip((rows[i] for i in order), _quota(len(rows), shares), strict=True):
            parts[row] = part
    return data.with_parts(parts)


def _quota(count: int, shares: dict[str, float]) -> list[str]:
    quota: list[str] = []
    for part, share in shares.items():
        quota += [part] * (max(1, round(count * share)) if share else 0)
    return quota + ["train"] * (count - len(quota))


def _folders(root: Path) -> list[Path]:
    if not root.exists():
        raise DataError(f"{root}: no such folder.")
    if not root.is_dir():
        raise DataError(f"{root}: is a file; expected a folder with one sub-folder of pictures per class.")
    return sorted((p for p in root.iterdir() if p.is_dir() and not p.name.startswith((".", "__"))), key=_natural)


def _natural(path: Path) -> list[tuple[int, str]]:
    """Numbers in names sort by value, so that class 10 comes after 9."""
    pieces = re.split(r"(\d+)", path.name)
    return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in pieces]


def _check_labels(root: Path, labels: tuple[str, ...]) -> None:
    expected = "expected one sub-folder of pictures per class"
    if not labels:
        raise DataError(f"{root}: has no sub-folders; {expected}.")
    if len(labels) == 1:
        raise DataError(f"{root}: has one class only ({labels[0]}); {expected}, two or more.")
    for label in labels:
        if label != label.strip() or not label.isprintable():
            raise DataError(f"{root}: class folder {label!r} has a name that cannot be a label. Rename it.")


def _labelled(folder: Path, labels: tuple[str, ...]) -> list[tuple[int, Path]]:
    found = []
    for sub in _folders(folder):
        if sub.name not in labels:
            raise DataError(f"{sub}: a class the train part does not have. Its classes: {', '.join(labels)}.")
        target = labels.index(sub.name)
        found += [(target, path) for path in _visible(sub)]
    return found


def _visible(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and not _ignored(path, folder)]


def _ignored(path: Path, below: Path) -> bool:
    hidden = any(piece.startswith((".", "__MACOSX")) for piece in path.relative_to(below).parts)
    return hidden or path.name.lower() in _IGNORED
