"""Keep the images on which two models differ most, for review."""

from __future__ import annotations

import heapq
import shutil
import time
from pathlib import Path
from typing import Any

from edgeclf_runtime.errors import ImageError
from edgeclf_runtime.frame import Frame
from edgeclf_runtime.shadow.frames import Answer, Seen
from edgeclf_runtime.sinks.jpeg import jpeg
from edgeclf_runtime.sinks.sink import ZoneName
from edgeclf_runtime.sinks.snapshots.name import UNSORTED, Snapshot, folder_name

__all__ = ["DifferingImages"]

_MOST = 50
_EVERY = 5.0  # seconds between two images of a zone
_QUALITY = 90


class DifferingImages:
    """At most 50 images, those with the highest scores of two different answers; an earlier trial's are removed.

    They are named like snapshots, with the new model's answer, and stored where ``edgeclf fleet pull`` and ``sort``
    find them: ``FOLDER/__unsorted``.

    Args:
        folder: the folder to store them in.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / UNSORTED
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        self._kept: list[tuple[float, str, dict[str, Any]]] = []  # lowest score first
        self._last: dict[ZoneName, float] = {}
        self._number = 0

    def offer(self, seen: Seen, frame: Frame, new: Answer) -> None:
        """Keep a frame if its answers differ more than those of another.

        Args:
            seen: the frame with the current model's answer.
            frame: the same frame as the new model sees it.
            new: the new model's answer.
        """
        # The score of "unknown" is the score of a label that was refused.
        worth = sum(answer.score for answer in (seen.answer, new) if not answer.refused)
        is_soon = frame.moment - self._last.get(seen.zone, -_EVERY) < _EVERY
        if is_soon or (len(self._kept) == _MOST and worth <= self._kept[0][0]):
            return
        try:
            data = jpeg(frame.seen(), _QUALITY)
        except ImageError:
            return
        self._last[seen.zone], self._number = frame.moment, self._number + 1
        taken = time.time() - (time.monotonic() - frame.time)
        snapshot = Snapshot.taken(taken, folder_name(new.label), new.score, self._number, kept=False)
        (self._folder / snapshot.name).write_bytes(data)
        about: dict[str, Any] = {"file": snapshot.name, **seen.zone.fields}
        about.update(before=seen.answer.label, new=new.label)
        about["scores"] = [round(answer.score, 4) for answer in (seen.answer, new)]
        heapq.heappush(self._kept, (worth, snapshot.name, about))
        if len(self._kept) > _MOST:
            (self._folder / heapq.heappop(self._kept)[1]).unlink(missing_ok=True)

    def as_list(self) -> list[dict[str, Any]]:
        """Return the images kept, most different first, ready for JSON."""
        return [about for _, _, about in sorted(self._kept, key=lambda item: item[:2], reverse=True)]
