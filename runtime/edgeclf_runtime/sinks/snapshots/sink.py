"""Images kept for people, and for the next training: those that are uncertain, or of chosen labels."""

from __future__ import annotations

import logging
import shutil
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from edgeclf_runtime.decision.decision import UNKNOWN
from edgeclf_runtime.pictures.likeness import thumbnail
from edgeclf_runtime.pictures.view import WHOLE as WHOLE_REGION
from edgeclf_runtime.sinks.jpeg import jpeg_of, seen_jpeg_of
from edgeclf_runtime.sinks.sink import Item, Observation
from edgeclf_runtime.sinks.snapshots.daily_bytes import DailyBytes
from edgeclf_runtime.sinks.snapshots.name import (
    UNSORTED,
    WHOLE,
    Snapshot,
    all_snapshots,
    folder_name,
    own_snapshots,
    read_name,
)
from edgeclf_runtime.sinks.snapshots.recent import Recent
from edgeclf_runtime.sinks.snapshots.telling import least_telling
from edgeclf_runtime.system.atomic_file import written_beside

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["UNSORTED", "SnapshotSink", "folder_name", "read_name"]

_log = logging.getLogger(__name__)

_NOTE = "__snapshots.json"
_QUIET = 3600.0  # seconds between two log lines about what is not kept
_LOOK = 0.5  # seconds between two looks at images that are not kept, at most
_BLOCK = 4096  # bytes of a disk, which no two files share
_FREE, _FREE_SHARE = 500_000_000, 10  # bytes left free where nobody says; a tenth of a disk that is smaller


class SnapshotSink:
    """JPEGs of what the network saw: in ``FOLDER/LABEL/``, or in ``FOLDER/__unsorted/`` where it was not sure.

    After the unsorted ones were moved to the folders of their labels, ``edgeclf train FOLDER`` takes all.

    An image that looks like one of the last that were kept in its folder is not kept. Of too many, those that tell a
    training least go, by the rule of ``telling``: of the answer that has most of them the surest, of equally sure ones
    the oldest, whatever the clock says; never one that somebody sorted, nor any other file. An image that would go at
    once is not written.

    Args:
        folder: made where it does not exist.
        labels: whose images are kept; empty for none but uncertain ones, ``("*",)`` for all.
        uncertain: a score below which an image is uncertain.
        every: seconds between two images, at least.
        limit: images kept that nobody sorted.
        bytes_per_day: written in any 24 hours, at most; 0 for no bound.
        free_bytes: left free on the disk; with less, an image is kept in the place of less telling ones alone. By
            default a tenth of the disk, at most 500 MB.
        whole: where a part of an image is classified, write the whole one, too, to ``FOLDER/__whole/``.
    """

    pictures = True

    def __init__(
        self,
        folder: Path,
        labels: tuple[str, ...] = (),
        uncertain: float = 0.6,
        every: float = 5.0,
        limit: int = 1000,
        bytes_per_day: int = 100_000_000,
        free_bytes: int | None = None,
        whole: bool = False,
    ) -> None:
        self.name = f"snapshots {folder}"
        self._folder, self._labels, self._uncertain = folder, labels, uncertain
        self._every, self._limit, self._whole, self._next = every, limit, whole, -1e9
        folder.mkdir(parents=True, exist_ok=True)
        for left in [*folder.glob("*/.*.part"), *folder.glob(".*.part")]:  # of a process that was killed
            left.unlink(missing_ok=True)
        self._free_bytes = _default_free(folder) if free_bytes is None else free_bytes
        self._budget = DailyBytes(folder / _NOTE, bytes_per_day)
        self._recent: Recent | None = None  # read when there is the first image, in this sink's own thread
        self._number = max((snapshot.number for snapshot, _ in all_snapshots(folder)), default=0)
        self._warned_at = -_QUIET

    def take(self, item: Item) -> None:
        if not isinstance(item, Observation) or time.monotonic() < self._next:
            return
        frame, kept = item.prediction.frame, not self._is_uncertain(item)
        if frame is None or (kept and not self._is_wanted(item)):
            return
        label = folder_name(item.decision.label)
        snapshot = Snapshot.taken(item.time, label, item.decision.score, self._number + 1, kept)
        shown = thumbnail(frame.view.cut(frame.pixels))
        recent = self._recent_ones()
        if recent.has_alike(snapshot.folder, shown):
            self._next = time.monotonic() + min(self._every, _LOOK)
        elif self._keep(snapshot, item):
            recent.add(snapshot.folder, shown)
            self._number += 1
            self._next = time.monotonic() + self._every

    def _is_uncertain(self, item: Observation) -> bool:
        decision = item.decision
        refused = decision.refused or (decision.label == UNKNOWN and UNKNOWN not in item.prediction.labels)
        return refused or decision.score < self._uncertain

    def _is_wanted(self, item: Observation) -> bool:
        return item.decision.label in self._labels or self._labels == ("*",)

    def _recent_ones(self) -> Recent:
        if self._recent is None or not self._folder.exists():  # somebody began anew
            self._recent = Recent()
            self._folder.mkdir(parents=True, exist_ok=True)
            snapshots = sorted(all_snapshots(self._folder), key=lambda one: one[0].order, reverse=True)
            self._recent.read((snapshot.folder, path) for snapshot, path in snapshots)
        return self._recent

    def _keep(self, snapshot: Snapshot, item: Observation) -> bool:
        """Write it and remove what goes for it; nothing where it would go itself, or too much was written."""
        self._next = time.monotonic() + min(self._every, _LOOK)
        snapshots = dict(own_snapshots(self._folder))
        excess = max(0, len(snapshots) - self._limit)  # where the limit was a higher one
        for extra in islice(least_telling(snapshots), excess):
            self._remove(snapshots.pop(extra))
        if self._goes(snapshot, snapshots, 0) is None:
            return False
        contents = self._contents(snapshot, item)
        size = sum(map(len, contents.values()))
        missing = self._missing(sum(_on_disk(len(content)) for content in contents.values()))
        gone = self._goes(snapshot, snapshots, missing) if self._may_write(size) else None
        if gone is None:
            return False
        self._budget.add(size)
        for path, content in contents.items():
            self._write(path, content)
        for path in gone:
            self._remove(path)
        return True

    def _contents(self, snapshot: Snapshot, item: Observation) -> dict[Path, bytes]:
        """What is to be written for it, by its file."""
        contents = {self._folder / snapshot.folder / snapshot.name: seen_jpeg_of(item)}
        frame = item.prediction.frame
        if self._whole and frame is not None and frame.view.region != WHOLE_REGION:
            contents[self._folder / WHOLE / snapshot.name] = jpeg_of(item)
        return {path: content for path, content in contents.items() if content is not None}

    def _remove(self, path: Path) -> None:
        try:
            path.unlink()
        except FileNotFoundError:  # somebody sorted it at this very moment, and may want the whole one
            return
        (self._folder / WHOLE / path.name).unlink(missing_ok=True)

    def _goes(self, snapshot: Snapshot, snapshots: Mapping[Snapshot, Path], size: int) -> list[Path] | None:
        """Files that go for one more, so many bytes of them at least; None where it tells less than they do."""
        gone, freed = list[Path](), 0
        for candidate in least_telling([*snapshots, snapshot]):
            if len(snapshots) + 1 - len(gone) <= self._limit and freed >= size:
                break
            if candidate == snapshot:
                return None
            gone.append(snapshots[candidate])
            freed += _size(snapshots[candidate]) + _size(self._folder / WHOLE / candidate.name)
        return gone

    def _may_write(self, size: int) -> bool:
        allowed = self._budget.allows(size)
        if not allowed:
            self._next = time.monotonic() + self._every
            self._say("snapshot_bytes_per_day were written within 24 hours, none is kept for now")
        return allowed

    def _missing(self, size: int) -> int:
        """Bytes that have to go for so many."""
        if shutil.disk_usage(self._folder).free - size >= self._free_bytes:
            return 0
        self._say(f"less than {self._free_bytes} bytes are free (snapshot_free_bytes), kept only in place of others")
        return size

    def _say(self, trouble: str) -> None:
        if time.monotonic() - self._warned_at >= _QUIET:
            self._warned_at = time.monotonic()
            _log.warning("Sink %s: %s.", self.name, trouble)

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        for attempt in (1, 2):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with written_beside(path) as hidden:
                    hidden.write_bytes(content)
                return
            except FileNotFoundError:  # somebody removed the folder, empty, at this very moment
                if attempt == 2:
                    raise

    def close(self) -> None:
        """Images are written already; note what the day's were."""
        self._budget.close()


def _default_free(folder: Path) -> int:
    return min(_FREE, shutil.disk_usage(folder).total // _FREE_SHARE)


def _on_disk(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _size(path: Path) -> int:
    try:
        return _on_disk(path.stat().st_size)
    except FileNotFoundError:
        return 0
