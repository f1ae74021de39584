"""Write a Matroska video of JPEGs that can be played up to its last complete image at any moment.

Each image is a separate cluster with its own time, appended in one write; then the duration at the start of the file is
updated. A file without index and length, from a process that was killed, can be played; both are added when the video
is closed, or later by ``mend``. Nothing is synced: waiting for a memory card would lose images, and after a power cut
the video ends where the data on the disk ends.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from edgeclf_runtime.sinks.video import matroska

__all__ = ["MatroskaVideo", "is_own", "mend"]

_ONLY = 100  # duration of a single image in ms


@dataclass
class MatroskaVideo:
    """A video that is being written.

    Args:
        path: of a new file.
        width, height: of its images, in pixels.
        begins: when the first image was taken, in seconds since 1970.

    Attributes:
        size: of the file in bytes, if it were closed now.

    Raises:
        OSError: the file exists, or cannot be written and was removed again.
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
            jpeg: bytes of the JPEG.
            time: from the start of the video, in ms; larger than that of the previous image.
            duration: of the video including this image, in ms.

        Raises:
            OSError: the image cannot be written; the video is unchanged.
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
        """Finish the video with its duration in ms; a video without images is removed."""
        with self._file:
            if not self._cues.content:
                self.path.unlink()
                return
            matroska.set_duration(self._file, duration)
            self._cues.finish(self._file, self._end)


def is_own(path: Path) -> bool:
    """Whether ``MatroskaVideo`` wrote this file."""
    try:
        with path.open("rb") as file:
            return matroska.is_own_file(file)
    except OSError:
        return False


def mend(path: Path) -> bool:
    """Finish a video whose writer was killed: remove a partial image, add index and length.

    Returns:
        Whether the file was changed; a complete video, or one still being written, is left alone.

    Raises:
        OSError: the file cannot be read or written.
    """
    with open(path, "r+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        if matroska.is_ended(file, size) or not _lock(file):
            return False
        end = matroska.head_end(file, size)
        if end > size:  # a power cut lost data that was not on the disk yet
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
    """Lock a video for writing; return False if another process has it locked. The lock ends with the process."""
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
