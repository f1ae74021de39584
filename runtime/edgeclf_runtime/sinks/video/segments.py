"""The video segments: numbered files in a folder, with a limited total size."""

from __future__ import annotations

import logging
import re
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

from edgeclf_runtime.errors import SinkError
from edgeclf_runtime.sinks.video.matroska_video import MatroskaVideo, is_own, mend
from edgeclf_runtime.system.plain_text import printable

__all__ = ["Segments", "folder_and_prefix"]

_log = logging.getLogger(__name__)
_VIDEO_SUFFIXES = (".mkv", ".mp4", ".avi", ".mov", ".webm", ".m4v", ".mpg", ".mpeg", ".mjpeg")


def folder_and_prefix(asked: Path) -> tuple[Path, str]:
    """Return the folder and the prefix of the file names; for a name such as ``out.mp4`` the prefix is its stem."""
    if asked.suffix.lower() in _VIDEO_SUFFIXES and not asked.is_dir():
        return asked.parent, asked.stem
    return asked, "edgeclf"


class Segments:
    """The files ``PREFIX-000001-20261127-232004.mkv`` and so on, with times in UTC. Numbers continue from the highest
    existing one, so that restarts and a clock that was set back keep the order.

    Segments that a killed process left are repaired.

    Args:
        asked: see ``folder_and_prefix``; the folder is created if it does not exist.
        limit: bytes of all segments together; the oldest are deleted, but never other files.

    Raises:
        OSError: the folder cannot be created.
        SinkError: there is a file in its place.
    """

    def __init__(self, asked: Path, limit: int) -> None:
        self.folder, self._prefix = folder_and_prefix(asked)
        self._limit, self._held = limit, 0
        self._name = re.compile(re.escape(self._prefix) + r"-([0-9]{6,})-[0-9]{8}-[0-9]{6}\.mkv")
        self._older: deque[tuple[Path, int]] = deque()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            where = printable(self.folder)
            raise SinkError(f"{where}: not a folder; video takes a folder, or a file name such as out.mp4.") from None
        for path in self._own():
            try:
                if mend(path):
                    _log.warning("Repaired %s, whose end was not written.", printable(path))
            except OSError as error:
                _log.warning("%s cannot be repaired: %s", printable(path), error.strerror or error)

    @property
    def pattern(self) -> str:
        """Pattern of the file names, for display."""
        return printable(self.folder / f"{self._prefix}-*.mkv")

    def begin(self, width: int, height: int, begins: float) -> MatroskaVideo:
        """Start the next segment; see ``MatroskaVideo``."""
        own = self._own()
        self._older.clear()
        for path in own:
            with suppress(FileNotFoundError):
                self._older.append((path, path.stat().st_size))
        self._held = sum(size for _, size in self._older)
        number = self._number(own[-1]) + 1 if own else 1
        moment = time.strftime("%Y%m%d-%H%M%S", time.gmtime(begins))
        while True:
            path = self.folder / f"{self._prefix}-{number:06}-{moment}.mkv"
            try:
                return MatroskaVideo(path, width, height, begins)
            except FileExistsError:  # a user's file, or one of another process that writes here
                number += 1

    def make_room(self, current: int) -> bool:
        """Delete the oldest segments until there is room for ``current`` bytes; return whether there is."""
        while self._older and self._held + current > self._limit:
            path, size = self._older.popleft()
            path.unlink(missing_ok=True)
            self._held -= size
        return current <= self._limit

    def _own(self) -> list[Path]:
        """Return the segments in the order in which they were started."""
        named = (path for path in self.folder.iterdir() if self._name.fullmatch(path.name))
        return sorted((path for path in named if is_own(path)), key=lambda path: (self._number(path), path.name))

    def _number(self, path: Path) -> int:
        match = self._name.fullmatch(path.name)
        return int(match[1]) if match else 0
