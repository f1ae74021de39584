"""Store images for review and for the next training: uncertain ones, and those of chosen labels."""

from __future__ import annotations

import logging
import shutil
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from edgeclf_runtime.pictures.likeness import thumbnail
from edgeclf_runtime.pictures.view import WHOLE as WHOLE_REGION
from edgeclf_runtime.prediction import NOTHING, UNKNOWN
from edgeclf_runtime.sinks.jpeg import jpeg_of, seen_jpeg_of
from edgeclf_runtime.sinks.sink import Item, Observation
from edgeclf_runtime.sinks.snapshots.daily_bytes import DailyBytes
from edgeclf_runtime.sinks.snapshots.discarded import Discarded
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
_QUIET = 3600.0  # seconds between two log lines about images that are not stored
_LOOK = 0.5  # minimum time between two comparisons with stored images, in seconds
_BLOCK = 4096  # bytes of a disk block, which files do not share
_FREE, _FREE_SHARE = 500_000_000, 10  # default bytes to leave free, or a tenth of a small disk


class SnapshotSink:
    """Stores JPEGs of what the network saw in ``FOLDER/LABEL/``, or in ``FOLDER/__unsorted/`` if it was uncertain.

    Once the unsorted images have been moved to the folders of their labels, ``edgeclf train FOLDER`` uses them all.

    An image is also uncertain if it is unfamiliar, whatever the steady answer is; but not if it shows nothing, either
    as learned from the empty scene (``edgeclf background``) or as confidently classified as ``NOTHING``.

    An image that is a near-duplicate of a recent one in its folder, or of a discarded one, is not stored. Above the
    limit, the least informative images are deleted, as ``telling`` ranks them: for the most frequent answer the image
    with the highest score, for equal scores the oldest, and unfamiliar ones last. Sorted images and other files are
    never deleted. An image that would be deleted at once is not written.

    Args:
        folder: created if it does not exist.
        labels: labels whose images are stored; empty for uncertain images only, ``("*",)`` for all.
        uncertain: a score below this is uncertain.
        every: minimum time between two images, in seconds.
        limit: maximum number of unsorted images.
        bytes_per_day: maximum number of bytes written in 24 hours; 0 for no limit.
        free_bytes: bytes to leave free on the disk; with less, an image is stored only in place of less informative
            ones. By default a tenth of the disk, at most 500 MB.
        whole: if only a region is classified, also store the whole image, in ``FOLDER/__whole/``.
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
        for left in [*folder.glob("*/.*.part"), *folder.glob(".*.part")]:  # left by a killed process
            left.unlink(missing_ok=True)
        self._free_bytes = _default_free(folder) if free_bytes is None else free_bytes
        self._budget = DailyBytes(folder / _NOTE, bytes_per_day)
        self._discarded = Discarded(folder)
        self._recent: Recent | None = None  # read at the first image, in the sink's own thread
        self._number = max((snapshot.number for snapshot, _ in all_snapshots(folder)), default=0)
        self._warned_at = -_QUIET

    def take(self, item: Item) -> None:
        if not isinstance(item, Observation) or time.monotonic() < self._next:
            return
        frame, kept = item.prediction.frame, not self._is_uncertain(item)
        if frame is None or (kept and not self._is_wanted(item)):
            return
        label, unfamiliar = _label(item), item.prediction.is_unfamiliar and _label(item) != NOTHING
        score, number = item.decision.score, self._number + 1
        snapshot = Snapshot.taken(item.time, folder_name(label), score, number, kept, unfamiliar)
        shown = thumbnail(frame.view.cut(frame.pixels))
        recent = self._recent_ones()
        if recent.has_alike(snapshot.folder, shown) or self._discarded.has_alike(shown):
            self._next = time.monotonic() + min(self._every, _LOOK)
        elif self._keep(snapshot, item):
            recent.add(snapshot.folder, shown)
            self._number += 1
            self._next = time.monotonic() + self._every

    def _is_uncertain(self, item: Observation) -> bool:
        decision = item.decision
        if _label(item) == NOTHING:
            return item.prediction.familiarity != 0 and decision.score < self._uncertain
        refused = decision.refused or (decision.label == UNKNOWN and UNKNOWN not in item.prediction.labels)
        return refused or item.prediction.is_unfamiliar or decision.score < self._uncertain

    def _is_wanted(self, item: Observation) -> bool:
        return _label(item) in self._labels or self._labels == ("*",)

    def _recent_ones(self) -> Recent:
        if self._recent is None or not self._folder.exists():  # the folder was removed to start over
            self._recent, self._discarded = Recent(), Discarded(self._folder)
            self._folder.mkdir(parents=True, exist_ok=True)
            snapshots = sorted(all_snapshots(self._folder), key=lambda one: one[0].order, reverse=True)
            self._recent.read((snapshot.folder, path) for snapshot, path in snapshots)
        return self._recent

    def _keep(self, snapshot: Snapshot, item: Observation) -> bool:
        """Write an image and delete others for it; do nothing if it ranks last or the daily limit is reached."""
        self._next = time.monotonic() + min(self._every, _LOOK)
        snapshots = dict(own_snapshots(self._folder))
        excess = max(0, len(snapshots) - self._limit)  # if the limit was higher before
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
        """Return the contents of the files to write for a snapshot."""
        contents = {self._folder / snapshot.folder / snapshot.name: seen_jpeg_of(item)}
        frame = item.prediction.frame
        if self._whole and frame is not None and frame.view.region != WHOLE_REGION:
            contents[self._folder / WHOLE / snapshot.name] = jpeg_of(item)
        return {path: content for path, content in contents.items() if content is not None}

    def _remove(self, path: Path) -> None:
        try:
            path.unlink()
        except FileNotFoundError:  # just sorted by a user, who may want the whole image
            return
        (self._folder / WHOLE / path.name).unlink(missing_ok=True)

    def _goes(self, snapshot: Snapshot, snapshots: Mapping[Snapshot, Path], size: int) -> list[Path] | None:
        """Return the files to delete for one more, of at least ``size`` bytes; None if they are more informative."""
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
            self._say("snapshot_bytes_per_day reached for the last 24 hours; nothing is stored for now")
        return allowed

    def _missing(self, size: int) -> int:
        """Return how many bytes must be deleted to write ``size`` bytes."""
        if shutil.disk_usage(self._folder).free - size >= self._free_bytes:
            return 0
        self._say(f"less than {self._free_bytes} bytes are free (snapshot_free_bytes), storing only in place of others")
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
            except FileNotFoundError:  # the empty folder was removed just now
                if attempt == 2:
                    raise

    def close(self) -> None:
        """Record the bytes written today; images are written already."""
        self._budget.close()


def _label(item: Observation) -> str:
    """Return the answer, or ``NOTHING`` if the image shows none of the other classes."""
    prediction = item.prediction
    if prediction.is_unfamiliar:  # 0 stands for the empty scene: no image that was never shown is that unfamiliar
        return NOTHING if prediction.familiarity == 0 else item.decision.label
    return NOTHING if item.decision.refused and prediction.label == NOTHING else item.decision.label


def _default_free(folder: Path) -> int:
    return min(_FREE, shutil.disk_usage(folder).total // _FREE_SHARE)


def _on_disk(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _size(path: Path) -> int:
    try:
        return _on_disk(path.stat().st_size)
    except FileNotFoundError:
        return 0
