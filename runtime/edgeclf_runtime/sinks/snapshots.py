"""Pictures kept for people, and for the next training: those that are uncertain, or of chosen labels."""

from __future__ import annotations

import hashlib
import re
import time
from collections import deque
from pathlib import Path
from urllib.parse import quote

from edgeclf_runtime.beside import written_beside
from edgeclf_runtime.decision import UNKNOWN
from edgeclf_runtime.sinks.picture import jpeg_of
from edgeclf_runtime.sinks.sink import Item, Observation

__all__ = ["UNSORTED", "SnapshotSink", "folder_name", "read_name"]

_LONGEST = 190  # bytes of a label in a name, which holds 255 with time, score and what is written beside it
_OWN = re.compile(r"^\d{8}-\d{6}-\d{3}-(.*)-(\d\.\d\d)(-kept)?\.jpg$", re.DOTALL)
UNSORTED = "__unsorted"
"""The folder of uncertain pictures; ``edgeclf train`` passes over it."""


def folder_name(label: str) -> str:
    """A label as the name of a folder that is not hidden and leads nowhere else."""
    safe = "".join(sign if ord(sign) > 127 else quote(sign, safe=" !#$&'()+,;=@[]{}~^-_.") for sign in label)
    if len(safe.encode()) > _LONGEST:
        mark = hashlib.sha256(label.encode()).hexdigest()[:8]
        safe = f"{safe.encode()[: _LONGEST - 9].decode('utf-8', 'ignore')} {mark}"
    return safe if safe.strip(". ") and not safe.startswith((".", "__")) else f"label {safe.lstrip('._ ')}"


def read_name(name: str) -> tuple[str, float] | None:
    """The answer, as the name of a folder, and the score that a picture's file name tells; None if no sink wrote it."""
    match = _OWN.match(name)
    return (match[1], float(match[2])) if match else None


def _is_own(path: Path) -> bool:
    """Put there by a sink; not one that somebody sorted, nor anybody's own picture.

    What a sink puts into a label's folder says so in its name: an uncertain one sorted there does not.
    """
    match = _OWN.match(path.name)
    return match is not None and (path.parent.name == UNSORTED or (path.parent.name == match[1] and bool(match[3])))


class SnapshotSink:
    """JPEGs in ``FOLDER/LABEL/``, and in ``FOLDER/__unsorted/`` where the answer is unknown or uncertain.

    After the unsorted ones were moved to the folders of their labels, ``edgeclf train FOLDER`` takes all.

    Args:
        folder: made where it does not exist.
        labels: whose pictures are kept; empty for none but uncertain ones, ``("*",)`` for all.
        uncertain: a score below which a picture is uncertain.
        every: seconds between two pictures, at least.
        limit: pictures kept; the oldest that a sink wrote are removed, never any other.
    """

    pictures = True

    def __init__(
        self,
        folder: Path,
        labels: tuple[str, ...] = (),
        uncertain: float = 0.6,
        every: float = 5.0,
        limit: int = 1000,
    ) -> None:
        self.name = f"snapshots {folder}"
        self._folder, self._labels, self._uncertain = folder, labels, uncertain
        self._every, self._limit, self._last = every, limit, -1e9
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob("*/.*.part"):  # of a process that was killed
            left.unlink(missing_ok=True)
        self._kept = deque(sorted(filter(_is_own, folder.glob("*/*.jpg")), key=lambda path: path.name))

    def take(self, item: Item) -> None:
        if not isinstance(item, Observation) or time.monotonic() - self._last < self._every:
            return
        place = self._place(item)
        picture = None if place is None else jpeg_of(item)
        if place is None or picture is None:
            return
        self._last = time.monotonic()
        self._write(place, item, picture)

    def _place(self, item: Observation) -> Path | None:
        label = item.decision.label
        if label == UNKNOWN or item.decision.score < self._uncertain:
            return self._folder / UNSORTED
        wanted = label in self._labels or self._labels == ("*",)
        return self._folder / folder_name(label) if wanted else None

    def _write(self, place: Path, item: Observation, data: bytes) -> None:
        moment = time.strftime("%Y%m%d-%H%M%S", time.gmtime(item.time))
        answer, mark = folder_name(item.decision.label), "" if place.name == UNSORTED else "-kept"
        name = f"{moment}-{int(item.time % 1 * 1000):03}-{answer}-{item.decision.score:.2f}{mark}.jpg"
        try:
            self._store(place / name, data)
        except FileNotFoundError:  # somebody removed the folder, empty, at this very moment
            self._store(place / name, data)
        self._kept.append(place / name)
        while len(self._kept) > self._limit:
            self._kept.popleft().unlink(missing_ok=True)

    @staticmethod
    def _store(path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_beside(path) as hidden:
            hidden.write_bytes(data)

    def close(self) -> None:
        """All is written already."""
