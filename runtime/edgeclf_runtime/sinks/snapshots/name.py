"""The names of snapshots and of their folders."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from edgeclf_runtime.model.class_name import check_class_name, same_class

__all__ = [
    "DELETED",
    "DISCARDED",
    "FOLDERS",
    "UNSORTED",
    "WHOLE",
    "Snapshot",
    "all_snapshots",
    "class_folder",
    "deleted_names",
    "discarded_names",
    "files_of",
    "folder_name",
    "own_snapshots",
    "read_name",
]

UNSORTED = "__unsorted"
"""Folder of uncertain images; ``edgeclf train`` ignores it, as well as the two others."""
WHOLE = "__whole"
"""Folder of whole images, each with the name of the snapshot that shows a part of it."""
DISCARDED = "__discarded"
"""Folder of recently discarded images, which can still be restored."""
DELETED = "__discarded.json"
"""File with the names of the discarded images that were deleted since."""
FOLDERS = frozenset({UNSORTED, WHOLE, DISCARDED})
"""All of these folders; none is a class."""

_LONGEST = 190  # bytes of a label in a file name, which is limited to 255 with time, score and suffixes
_OWN = re.compile(r"^(\d{8}-\d{6}-\d{3})-(.*)-(\d\.\d\d)(?:-(\d{6,12}))?(-kept|-unfamiliar)?\.jpg$", re.DOTALL)


@dataclass(frozen=True)
class Snapshot:
    """The parts of a snapshot's file name.

    Attributes:
        moment: ``YYYYMMDD-HHMMSS-MMM`` in UTC, by the device's clock, which may have been wrong.
        answer: the answer, in the form of a folder name.
        score: score of the answer.
        number: position in the order of capture, from 1; 0 for snapshots of version 0.1, which are older.
        kept: whether it was stored in its label's folder rather than unsorted.
        unfamiliar: whether it is unsorted because the image was unfamiliar.
    """

    moment: str
    answer: str
    score: float
    number: int = 0
    kept: bool = False
    unfamiliar: bool = False

    @classmethod
    def taken(
        cls, seconds: float, answer: str, score: float, number: int, kept: bool, unfamiliar: bool = False
    ) -> Snapshot:
        """Return a new snapshot; ``seconds`` since 1970."""
        moment = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(seconds))}-{int(seconds % 1 * 1000):03}"
        return cls(moment, answer, round(min(max(score, 0.0), 9.99), 2), number, kept, unfamiliar and not kept)

    @property
    def name(self) -> str:
        """Name of the file."""
        number = f"-{self.number:06}" if self.number else ""
        end = "-kept" if self.kept else "-unfamiliar" if self.unfamiliar else ""
        return f"{self.moment}-{self.answer}-{self.score:.2f}{number}{end}.jpg"

    @property
    def folder(self) -> str:
        """Folder in which the sink stored it."""
        return self.answer if self.kept else UNSORTED

    @property
    def order(self) -> tuple[int, str]:
        """Sort key by order of capture, independent of the clock."""
        return self.number, self.moment


def folder_name(label: str) -> str:
    """Return a label as a safe folder name: not hidden, and without path separators."""
    safe = "".join(sign if ord(sign) > 127 else quote(sign, safe=" !#$&'()+,;=@[]{}~^-_.") for sign in label)
    if len(safe.encode()) > _LONGEST:
        import hashlib

        mark = hashlib.sha256(label.encode()).hexdigest()[:8]
        safe = f"{safe.encode()[: _LONGEST - 9].decode('utf-8', 'ignore')} {mark}"
    return safe if safe.strip(". ") and not safe.startswith((".", "__")) else f"label {safe.lstrip('._ ')}"


def class_folder(label: str, labels: Sequence[str], classes: Sequence[str]) -> str:
    """Return the folder of a class that a user chose or typed.

    Args:
        label: the class.
        labels: labels of the model, which are always valid. They may differ only in case: ImageNet has a cardigan and
            a Cardigan (a dog).
        classes: the existing classes; a name that differs from one of them only in its Unicode form or in case means
            that class.

    Raises:
        UsageError: a new class with an invalid name.
    """
    if label in labels:
        return folder_name(label)
    return folder_name(same_class(label, classes) or check_class_name(label))


def read_name(name: str) -> Snapshot | None:
    """Parse the file name of an image; None if it is not a snapshot's."""
    match = _OWN.match(name)
    if match is None:
        return None
    end = match[5] or ""
    return Snapshot(match[1], match[2], float(match[3]), int(match[4] or 0), end == "-kept", end == "-unfamiliar")


def own_snapshots(folder: Path) -> Iterator[tuple[Snapshot, Path]]:
    """Yield the snapshots that are still where the sink stored them, without sorted ones or other images."""
    return ((snapshot, path) for snapshot, path in all_snapshots(folder) if snapshot.folder == path.parent.name)


def all_snapshots(folder: Path) -> Iterator[tuple[Snapshot, Path]]:
    """Yield all snapshots, including those that were sorted or discarded since."""
    for subfolder in _folders(folder):
        for name in files_of(subfolder) if subfolder.name != WHOLE else ():
            snapshot = read_name(name)
            if snapshot is not None:
                yield snapshot, subfolder / name


def _folders(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        return [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]


def files_of(folder: Path) -> list[str]:
    """Return the names of a folder's files, without links; none if there is no such folder or it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError, PermissionError):  # removed just now, or not ours: lost+found
        return []


def discarded_names(folder: Path) -> set[str]:
    """Return the names of the snapshots that were ever discarded from a snapshot folder; none for another folder."""
    names = [*files_of(folder / DISCARDED), *deleted_names(folder)]
    return {name for name in names if read_name(name) is not None}


def deleted_names(folder: Path) -> list[str]:
    """Return the names in ``DELETED``; none if it is missing or damaged."""
    try:
        names = json.loads((folder / DELETED).read_text("utf-8"))
    except (OSError, ValueError):
        return []
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
