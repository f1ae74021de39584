"""Count the images in folders, although others may add or delete some."""

from __future__ import annotations

import os
import time
from pathlib import Path

from edgeclf_runtime.pictures.images import IMAGE_SUFFIXES

__all__ = ["PictureCounts"]

_SETTLED = 2_000_000_000  # ns after which another change has a different time stamp on any filesystem


class PictureCounts:
    """Counts the images that ``find_images`` returns, and again only if a folder or a subfolder has changed."""

    def __init__(self) -> None:
        self._counts: dict[Path, tuple[int, dict[str, int]]] = {}

    def count(self, folder: Path) -> int:
        """Return the number of images in and below a folder; 0 if it does not exist."""
        number, times = self._counts.get(folder, (0, {}))
        if not times or any(_changed(path) != moment for path, moment in times.items()):
            number, times = _counted(folder)
            latest = time.time_ns() - _SETTLED
            self._counts[folder] = number, {path: moment if moment < latest else -1 for path, moment in times.items()}
        return number


def _changed(folder: str) -> int:
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return 0


def _counted(folder: Path) -> tuple[int, dict[str, int]]:
    """Return the number of images, and the time of change of each folder from before it was read."""
    number, times, left = 0, dict[str, int](), [str(folder)]
    while left:
        path = left.pop()
        times[path] = _changed(path)
        try:
            with os.scandir(path) as entries:
                shown = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError:
            continue
        left += [entry.path for entry in shown if entry.is_dir(follow_symlinks=False)]
        number += sum(os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES and entry.is_file() for entry in shown)
    return number, times
