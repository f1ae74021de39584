"""A film of JPEGs in a Matroska file that can be played up to its last whole image at any moment.

Every image is a cluster of its own, with its own time, appended by one write; the duration at the file's head is
brought up to date after each. Neither an index nor a length is needed to play what is there when the process is killed:
both are added when the film is closed, or by ``mend`` when nobody could. Nothing is synced: waiting for a memory card
would lose images, and after a power cut the film ends where the disk's content does.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from edgeclf_runtime.sinks.video import matroska

__all__ = ["MatroskaFilm", "is_own", "mend"]

_ONLY = 100  # ms that an only image stands


@dataclass
class MatroskaFilm:
    """One film, growing.

    Args:
        path: of a new file.
        width, height: of its images, in pixels.
        begins: when the first image was taken, in seconds since 1970.

    Attributes:
        size: in bytes, of the file once it is closed, if nothing more is added.

    Raises:
        OSError: the file is there already, or cannot be written; then it is not left behind.
    """

    path: Path
    width: int
    height: int
    begins: float
    size: int = field(default=0, init=False)
    _cues: matroska.Cues = field(default_factory=matroska.Cues, init=False)

    def __post_init__(self) -> None:
        head = matroska.head(self.width, self.height, self.begins)
        self._file: IO[bytes] = open(self.path, "xb", buffering=0)  # noqa: SIM115 - closed by close
        try:
            _lock(self._file)
            matroska.write(self._file, 0, head)
        except BaseException:
            self._file.close()
            self.path.unlink()
            raise
        self._end = len(head)
        self.size = self._end + matroska.INDEX_SIZE

    def add(self, jpeg: bytes, time: int, duration: float) -> None:
        """Append an image.

        Args:
            jpeg: the file's content.
            time: from the film's beginning, in ms; larger than that of the one before.
            duration: of the film with it, in ms.

        Raises:
            OSError: it cannot be written; the film is what it was.
        """
        cluster = matroska.cluster(jpeg, time)
        try:
            matroska.write(self._file, self._end, cluster)
        except OSError:
            self._file.truncate(self._end)
            raise
        self._cues.note(time, self._end)
        self._end += len(cluster)
        self.size = self._end + matroska.INDEX_SIZE + len(self._cues.content)
        matroska.set_duration(self._file, duration)

    def close(self, duration: float) -> None:
        """End it, with its duration in ms; without an image it is removed."""
        with self._file:
            if not self._cues.content:
                self.path.unlink()
                return
            matroska.set_duration(self._file, duration)
            self._cues.finish(self._file, self._end)


def is_own(path: Path) -> bool:
    """Whether ``MatroskaFilm`` wrote this file."""
    try:
        with path.open("rb") as file:
            return matroska.is_own_file(file)
    except OSError:
        return False


def mend(path: Path) -> bool:
    """End a film whose writer was killed: cut a torn image off, add index and length.

    Returns:
        whether it was one; one that is whole, or still being written, is left alone.

    Raises:
        OSError: it cannot be read or written.
    """
    with open(path, "r+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        if matroska.is_ended(file, size) or not _lock(file):
            return False
        end = matroska.head_end(file, size)
        if end > size:  # the power was cut before the disk had as much
            return False
        cues, last, step = matroska.Cues(), 0, 0
        while (cluster := matroska.whole_cluster(file, end, size)) is not None:
            time, after = cluster
            last, step = time, time - last
            cues.note(time, end)
            end = after
        if not cues.content:
            path.unlink()
            return True
        if end != size or matroska.read_duration(file) <= last:  # it counts what was lost, or its writer was killed
            file.truncate(end)
            matroska.set_duration(file, last + (step or _ONLY))
        cues.finish(file, end)
        return True


def _lock(file: IO[bytes]) -> bool:
    """Mark a film as being written; whether nobody else does. The mark goes with the process."""
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a filesystem without locks
        return True
    return True
