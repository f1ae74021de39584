"""The films that ``video`` names: a folder of segments, numbered, of a bounded number of bytes."""

from __future__ import annotations

import logging
import re
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

from edgeclf_runtime.errors import SinkError
from edgeclf_runtime.sinks.video.matroska_film import MatroskaFilm, is_own, mend
from edgeclf_runtime.system.plain_text import printable

__all__ = ["Segments", "folder_and_prefix"]

_log = logging.getLogger(__name__)
_FILMS = (".mkv", ".mp4", ".avi", ".mov", ".webm", ".m4v", ".mpg", ".mpeg", ".mjpeg")


def folder_and_prefix(asked: Path) -> tuple[Path, str]:
    """Where ``video`` is written, and what its films' names begin with: of a name such as ``out.mp4``, its stem."""
    if asked.suffix.lower() in _FILMS and not asked.is_dir():
        return asked.parent, asked.stem
    return asked, "edgeclf"


class Segments:
    """``PREFIX-000001-20261127-232004.mkv`` and so on; the number goes on from the highest that is there, so that
    neither a start nor a clock that was set back brings them out of order. The time is UTC.

    Segments that a killed process left are mended.

    Args:
        asked: see ``folder_and_prefix``; a folder is made if it is not there.
        limit: bytes of all segments; the oldest go, never a file that is not one of them.

    Raises:
        OSError: the folder cannot be made.
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
            raise SinkError(f"{where}: not a folder; video takes one, or a film's name such as out.mp4.") from None
        for path in self._own():
            try:
                if mend(path):
                    _log.warning("Mended %s, whose end was not written.", printable(path))
            except OSError as error:
                _log.warning("%s cannot be mended: %s", printable(path), error.strerror or error)

    @property
    def pattern(self) -> str:
        """Their names, for people."""
        return printable(self.folder / f"{self._prefix}-*.mkv")

    def begin(self, width: int, height: int, begins: float) -> MatroskaFilm:
        """The next one, empty; see ``MatroskaFilm``."""
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
                return MatroskaFilm(path, width, height, begins)
            except FileExistsError:  # somebody's own, or of a process that writes here, too
                number += 1

    def make_room(self, current: int) -> bool:
        """Remove the oldest segments until there is room for one of so many bytes; whether there is."""
        while self._older and self._held + current > self._limit:
            path, size = self._older.popleft()
            path.unlink(missing_ok=True)
            self._held -= size
        return current <= self._limit

    def _own(self) -> list[Path]:
        """In the order in which they were begun."""
        named = (path for path in self.folder.iterdir() if self._name.fullmatch(path.name))
        return sorted((path for path in named if is_own(path)), key=lambda path: (self._number(path), path.name))

    def _number(self, path: Path) -> int:
        match = self._name.fullmatch(path.name)
        return int(match[1]) if match else 0
