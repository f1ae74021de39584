"""A folder that training photographs are collected in, one sub-folder a class."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.beside import written_beside
from edgeclf_runtime.errors import SinkError, UsageError
from edgeclf_runtime.images import find_images
from edgeclf_runtime.sinks.picture import jpeg
from edgeclf_runtime.web.classname import check_class_name, is_part
from edgeclf_runtime.web.madefolders import MadeFolders

__all__ = ["Album"]

_QUALITY = 95
_MOST = 100  # classes


class Album:
    """Writes JPEGs to ``FOLDER/CLASS/``; nothing that is there is ever overwritten.

    Args:
        folder: made where it does not exist; its sub-folders are classes already.
        classes: more of them.

    Attributes:
        counts: pictures by class.

    Raises:
        SinkError: the folder cannot be made or read.
        UsageError: no name for a class, or the folder is divided into parts, which have the classes.
    """

    def __init__(self, folder: Path, classes: Sequence[str] = ()) -> None:
        self.folder, self.counts = folder, dict[str, int]()
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._made = MadeFolders()
        self._burst: list[tuple[str, Path]] = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for left in folder.glob("*/.*.jpg.part"):  # of a process that was killed
                left.unlink(missing_ok=True)
            for place in sorted(folder.iterdir()):
                if place.is_dir() and is_part(place.name):
                    raise UsageError(f"{folder}: is divided into parts ({place.name}); name one, {folder / 'train'}.")
                if place.is_dir() and not place.name.startswith((".", "__")):
                    self.counts[place.name] = len(find_images(place))
        except OSError as error:
            raise SinkError(f"{error.filename or folder}: {error.strerror}.") from None
        for name in classes:
            self.add(name)

    def add(self, name: str) -> str:
        """One more class, if it is not there; its folder is made with its first picture. Gives its name.

        Raises:
            UsageError: no name for a class, one that differs from another in capitals alone, or too many.
        """
        name = check_class_name(name)
        if name in self.counts:
            return name
        alike = next((known for known in self.counts if known.casefold() == name.casefold()), None)
        if alike:
            raise UsageError(f"{name!r}: there is {alike!r} already.")
        if len(self.counts) >= _MOST:
            raise UsageError(f"There are {_MOST} classes already.")
        self._count(name, 0)
        return name

    def _count(self, name: str, more: int) -> None:
        with self._lock:  # a new dictionary, as other threads read it
            self.counts = {**self.counts, name: self.counts.get(name, 0) + more}

    def begin(self) -> None:
        """What is written from now on can be taken back together."""
        self._burst = []

    def write(self, name: str, pixels: npt.NDArray[np.uint8], moment: float, data: bytes | None = None) -> Path:
        """A picture of a class.

        Args:
            name: of a class in ``counts``.
            pixels: uint8 RGB ``[height, width, 3]``.
            moment: of its capture, in seconds since 1970.
            data: the JPEG it came as, which is then written as it is.

        Raises:
            SinkError: no space, a read-only folder, or whatever else the disk has against it.
        """
        place, stem = self.folder / name, time.strftime("%Y%m%d-%H%M%S", time.gmtime(moment))
        path = place / f"{stem}-{int(moment % 1 * 1000):03}.jpg"
        for number in range(2, 1000):
            if not path.exists():
                break
            path = place / f"{stem}-{int(moment % 1 * 1000):03}-{number}.jpg"
        content = data or jpeg(pixels, _QUALITY)
        try:
            with self._writing:
                self._made.make(place)
                with written_beside(path) as hidden:
                    hidden.write_bytes(content)
        except OSError as error:
            raise SinkError(f"{path}: {error.strerror}. Nothing was written.") from None
        self._count(name, 1)
        self._burst.append((name, path))
        return path

    def take_back(self) -> int:
        """Remove what was written since ``begin``; how many pictures these were.

        Raises:
            SinkError: the disk has something against it.
        """
        burst, self._burst = self._burst, []
        for number, (name, path) in enumerate(burst):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                self._burst = burst[number:] + self._burst  # to be tried again
                raise SinkError(f"{path}: {error.strerror}. It is still there.") from None
            self._count(name, -1)
        for place in {path.parent for _, path in burst}:
            with self._writing:
                self._made.remove_empty(place)
        return len(burst)
