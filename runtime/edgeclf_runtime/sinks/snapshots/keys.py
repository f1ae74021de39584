"""The keys of run.toml for snapshots."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from edgeclf_runtime.prediction import NOTHING, UNKNOWN
from edgeclf_runtime.sinks.keys import Opening, SinkKeys, key
from edgeclf_runtime.sinks.sink import Sink

__all__ = ["SnapshotKeys"]


@dataclass(frozen=True)
class SnapshotKeys(SinkKeys):
    """Store images that are uncertain, or of ``snapshot_labels``, as the network saw them."""

    snapshots: str = key("", "Folder for images of uncertain answers")
    snapshot_labels: tuple[str, ...] = key((), 'Labels whose images are saved, too; ["*"] for all')
    snapshot_uncertain: float = key(0.6, "Scores below this are uncertain")
    snapshot_every: float = key(5.0, "Minimum time between two snapshots, in seconds")
    snapshot_limit: int = key(1000, "Maximum number of unsorted snapshots")
    snapshot_bytes_per_day: int = key(100_000_000, "Maximum number of bytes written in 24 hours; 0 for no limit")
    snapshot_free_bytes: Optional[int] = key(  # noqa: UP045  read at run time by settings, on Python 3.9 too
        None, "Bytes to leave free on the disk (default: a tenth of it, at most 500 MB)"
    )
    snapshot_whole: bool = key(False, "Also save the whole image where only a region is classified")

    def mistakes(self) -> Iterator[str]:
        if self.snapshot_limit < 1 or self.snapshot_every < 0:
            yield "snapshot_limit at least 1, snapshot_every at least 0"
        if self.snapshot_bytes_per_day < 0 or (self.snapshot_free_bytes or 0) < 0:
            yield "snapshot_bytes_per_day and snapshot_free_bytes at least 0"
        if not 0 <= self.snapshot_uncertain <= 1:
            yield "snapshot_uncertain within 0 to 1"

    def open(self, run: Opening) -> Iterator[Sink]:
        if self.snapshots:
            from edgeclf_runtime.sinks.snapshots.sink import SnapshotSink

            yield SnapshotSink(
                Path(self.snapshots),
                self.snapshot_labels,
                self.snapshot_uncertain,
                self.snapshot_every,
                self.snapshot_limit,
                self.snapshot_bytes_per_day,
                self.snapshot_free_bytes,
                self.snapshot_whole,
            )

    def named_labels(self) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
        yield "snapshot_labels", self.snapshot_labels, (UNKNOWN, NOTHING, "*")

    def recipients(self) -> tuple[str, ...]:
        return (self.snapshots,)

    def folders(self) -> tuple[Path, ...]:
        return (Path(self.snapshots).absolute(),) if self.snapshots else ()
