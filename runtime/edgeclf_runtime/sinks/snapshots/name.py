"""What the names of snapshots and of their folders say."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

__all__ = [
    "DISCARDED",
    "FOLDERS",
    "UNSORTED",
    "WHOLE",
    "Snapshot",
    "all_snapshots",
    "folder_name",
    "own_snapshots",
    "read_name",
]

UNSORTED = "__unsorted"
"""The folder of uncertain images; ``edgeclf train`` passes over it, as over the two others."""
WHOLE = "__whole"
"""The folder of whole images, each called as the snapshot that is a part of it."""
DISCARDED = "__discarded"
"""The folder of images that were discarded last, which can still be taken back."""
FOLDERS = frozenset({UNSORTED, WHOLE, DISCARDED})
"""All of them; none is a class."""

_LONGEST = 190  # bytes of a label in a name, which holds 255 with time, score and what is written beside it
_OWN = re.compile(r"^(\d{8}-\d{6}-\d{3})-(.*)-(\d\.\d\d)(?:-(\d{6,12}))?(-kept)?\.jpg$", re.DOTALL)


@dataclass(frozen=True)
class Snapshot:
    """What an image's name says.

    Attributes:
        moment: ``YYYYMMDD-HHMMSS-MMM`` in UTC, by the device's clock, which may have been wrong.
        answer: as the name of a folder.
        score: of the answer.
        number: in the order in which they were taken, from 1; 0 of those that 0.1 wrote, which are older.
        kept: it was put into its label's folder, not among the unsorted ones.
    """

    moment: str
    answer: str
    score: float
    number: int = 0
    kept: bool = False

    @classmethod
    def taken(cls, seconds: float, answer: str, score: float, number: int, kept: bool) -> Snapshot:
        """A new one; ``seconds`` since 1970."""
        moment = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(seconds))}-{int(seconds % 1 * 1000):03}"
        return cls(moment, answer, round(min(max(score, 0.0), 9.99), 2), number, kept)

    @property
    def name(self) -> str:
        """Of its file."""
        number = f"-{self.number:06}" if self.number else ""
        return f"{self.moment}-{self.answer}-{self.score:.2f}{number}{'-kept' if self.kept else ''}.jpg"

    @property
    def folder(self) -> str:
        """Where the sink put it."""
        return self.answer if self.kept else UNSORTED

    @property
    def order(self) -> tuple[int, str]:
        """Sorts them as they were taken, whatever the clock said."""
        return self.number, self.moment


def folder_name(label: str) -> str:
    """A label as the name of a folder that is not hidden and leads nowhere else."""
    safe = "".join(sign if ord(sign) > 127 else quote(sign, safe=" !#$&'()+,;=@[]{}~^-_.") for sign in label)
    if len(safe.encode()) > _LONGEST:
        mark = hashlib.sha256(label.encode()).hexdigest()[:8]
        safe = f"{safe.encode()[: _LONGEST - 9].decode('utf-8', 'ignore')} {mark}"
    return safe if safe.strip(". ") and not safe.startswith((".", "__")) else f"label {safe.lstrip('._ ')}"


def read_name(name: str) -> Snapshot | None:
    """What an image's file name says; None if no sink wrote it."""
    match = _OWN.match(name)
    return Snapshot(match[1], match[2], float(match[3]), int(match[4] or 0), bool(match[5])) if match else None


def own_snapshots(folder: Path) -> Iterator[tuple[Snapshot, Path]]:
    """Those that are where a sink put them; none that somebody sorted, nor anybody's own image."""
    return ((snapshot, path) for snapshot, path in all_snapshots(folder) if snapshot.folder == path.parent.name)


def all_snapshots(folder: Path) -> Iterator[tuple[Snapshot, Path]]:
    """Those that a sink took, also those that somebody sorted or discarded since."""
    for subfolder in _folders(folder):
        for name in _files(subfolder) if subfolder.name != WHOLE else ():
            snapshot = read_name(name)
            if snapshot is not None:
                yield snapshot, subfolder / name


def _folders(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        return [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]


def _files(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
    except (FileNotFoundError, PermissionError):  # removed at this very moment, or none of ours, as lost+found
        return []
