"""Pictures kept for people, and for the next training: those that are uncertain, or of chosen labels."""

from __future__ import annotations

import os
import time
from collections import deque
from pathlib import Path
from urllib.parse import quote

from edgeclf_runtime.decision import UNKNOWN
from edgeclf_runtime.sinks.picture import jpeg, pixels_of
from edgeclf_runtime.sinks.sink import Item, Observation

__all__ = ["SnapshotSink", "folder_name"]

_UNSORTED = "__unsorted"  # ``edgeclf train`` passes over folders that begin so


def folder_name(label: str) -> str:
    """A label as the name of a folder that is not hidden and leads nowhere else."""
    safe = quote(label, safe=" !#$&'()+,;=@[]{}~^-_." + "".join(c for c in label if ord(c) > 127))
    return safe if safe.strip(". ") and not safe.startswith((".", "__")) else f"label {safe.lstrip('._ ')}"


class SnapshotSink:
    """JPEGs in ``FOLDER/LABEL/``, and in ``FOLDER/__unsorted/`` where the answer is unknown or uncertain.

    After the unsorted ones were moved to the folders of their labels, ``edgeclf train FOLDER`` takes all.

    Args:
        folder: made where it does not exist.
        labels: whose pictures are kept; empty for none but uncertain ones, ``("*",)`` for all.
        uncertain: a score below which a picture is uncertain.
        every: seconds between two pictures, at least.
        limit: pictures kept; the oldest are removed.
    """

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
        known = [path for path in folder.rglob("*.jpg") if path.is_file()]
        self._kept = deque(sorted(known, key=lambda path: path.stat().st_mtime))

    def take(self, item: Item) -> None:
        if not isinstance(item, Observation) or time.monotonic() - self._last < self._every:
            return
        place, pixels = self._place(item), pixels_of(item)
        if place is None or pixels is None:
            return
        self._last = time.monotonic()
        self._write(place, item, jpeg(pixels))

    def _place(self, item: Observation) -> Path | None:
        label = item.decision.label
        if label == UNKNOWN or item.decision.score < self._uncertain:
            return self._folder / _UNSORTED
        wanted = label in self._labels or self._labels == ("*",)
        return self._folder / folder_name(label) if wanted else None

    def _write(self, place: Path, item: Observation, data: bytes) -> None:
        place.mkdir(exist_ok=True)
        moment = time.strftime("%Y%m%d-%H%M%S", time.gmtime(item.time))
        name = (
            f"{moment}-{int(item.time % 1 * 1000):03}-{folder_name(item.decision.label)}-{item.decision.score:.2f}.jpg"
        )
        beside = place / f".{name}.part"
        beside.write_bytes(data)
        os.replace(beside, place / name)
        self._kept.append(place / name)
        while len(self._kept) > self._limit:
            self._kept.popleft().unlink(missing_ok=True)

    def close(self) -> None:
        """All is written already."""
