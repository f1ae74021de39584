"""Store training images in a folder with one subfolder per class."""

from __future__ import annotations

import threading
import time
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.errors import SinkError, UsageError
from edgeclf_runtime.model.class_name import check_class_name, is_part, same_class
from edgeclf_runtime.sinks.jpeg import jpeg
from edgeclf_runtime.system.atomic_file import written_beside
from edgeclf_runtime.system.made_folders import MadeFolders
from edgeclf_runtime.web.picture_counts import PictureCounts

__all__ = ["Album"]

_QUALITY = 95
_MOST = 100  # maximum number of classes
_BURSTS = 8  # number of latest button presses that can be undone
_LONGEST = 10_000  # maximum number of images that one undo deletes


class Album:
    """Writes JPEGs to ``FOLDER/CLASS/`` and never overwrites a file.

    Args:
        folder: created if it does not exist; its subfolders are classes.
        classes: further classes.

    Attributes:
        counts: number of images by class.
        last: the last press that wrote images, and how many of them ``take_back`` would delete; 0 for none.

    Raises:
        SinkError: the folder cannot be created or read.
        UsageError: invalid class name, or the folder is split into parts such as train/, which contain the classes.
    """

    def __init__(self, folder: Path, classes: Sequence[str] = ()) -> None:
        self.folder, self.counts = folder, dict[str, int]()
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._made, self._counter = MadeFolders(), PictureCounts()
        self._named: set[str] = set()
        self._bursts: dict[str, list[tuple[str, Path]]] = {}
        self.last = "", 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for left in folder.glob("*/.*.jpg.part"):  # unfinished files of a killed process
                left.unlink(missing_ok=True)
            part = next((path.name for path in sorted(folder.iterdir()) if path.is_dir() and is_part(path.name)), "")
            if part:
                raise UsageError(
                    f"{folder}: contains parts of a split ({part}/) instead of classes;"
                    f" name one part, for example {folder / 'train'}."
                )
            self.counts = self._counted()
        except OSError as error:
            raise SinkError(f"{error.filename or folder}: {error.strerror}.") from None
        for name in classes:
            self.add(name)

    def _counted(self) -> dict[str, int]:
        folders = sorted(path for path in self.folder.iterdir() if path.is_dir() and not is_part(path.name))
        return {path.name: self._counter.count(path) for path in folders if not path.name.startswith((".", "__"))}

    def refresh(self) -> None:
        """Count the images again, as others may add or delete some; waits while an image is being written."""
        with self._writing:
            try:
                counted = self._counted()
            except OSError:  # a disk that was unplugged may come back
                return
            with self._lock:
                stay = {name: counted.get(name, 0) for name in self.counts if name in counted or name in self._named}
                changed = [name for name in self.counts if counted.get(name, 0) != self.counts[name]]
                self.counts = {**stay, **counted}
            if changed:
                bursts = {press: [one for one in burst if one[1].exists()] for press, burst in self._bursts.items()}
                self._remember({press: burst for press, burst in bursts.items() if burst})

    def add(self, name: str) -> str:
        """Add a class if it does not exist, and return its name; its folder is created with the first image.

        Raises:
            UsageError: invalid class name, a name that differs from another only in case, or too many classes.
        """
        name = check_class_name(name)
        alike = same_class(name, self.counts)
        if alike is not None and unicodedata.normalize("NFC", alike) != name:
            raise UsageError(f"{name!r}: the class {alike!r} exists already.")
        name = alike or name  # a folder in another Unicode form is this class
        if alike is None:
            if len(self.counts) >= _MOST:
                raise UsageError(f"There are {_MOST} classes already, which is the maximum.")
            self._count(name, 0)
        self._named.add(name)
        return name

    def _count(self, name: str, more: int) -> None:
        with self._lock:  # create a new dictionary, because other threads read the old one
            self.counts = {**self.counts, name: self.counts.get(name, 0) + more}

    def write(
        self, name: str, pixels: npt.NDArray[np.uint8], moment: float, data: bytes | None = None, press: str = ""
    ) -> Path:
        """Write an image of a class.

        Args:
            name: name of a class in ``counts``.
            pixels: uint8 RGB ``[height, width, 3]``.
            moment: time of capture, in seconds since 1970.
            data: the original JPEG, which is written unchanged; if None, ``pixels`` are encoded.
            press: id of the button press; images of one press are undone together.

        Raises:
            SinkError: no space, a read-only folder, or another disk error.
        """
        content = data or jpeg(pixels, _QUALITY)
        with self._writing:
            path = _free_name(self.folder / name, moment)
            try:
                self._made.make(path.parent)
                with written_beside(path) as hidden:
                    hidden.write_bytes(content)
            except OSError as error:
                raise SinkError(f"{path}: {error.strerror}. Nothing was written.") from None
            self._count(name, 1)
            burst = [*self._bursts.pop(press, []), (name, path)]
            self._remember({**self._bursts, press: burst[-_LONGEST:]})
        return path

    def _remember(self, bursts: dict[str, list[tuple[str, Path]]]) -> None:
        self._bursts = dict(list(bursts.items())[-_BURSTS:])
        press = next(reversed(list(self._bursts)), "")
        self.last = press, len(self._bursts.get(press, ()))

    def take_back(self, press: str) -> int:
        """Delete the images of a press; return their number, without those already gone.

        Raises:
            SinkError: disk error.
        """
        removed = 0
        with self._writing:
            burst = self._bursts.get(press, [])
            self._remember({})  # so that another click does not delete older images
            for number, (name, path) in enumerate(burst):
                try:
                    path.unlink()
                except FileNotFoundError:
                    continue
                except OSError as error:
                    self._remember({press: burst[number:]})  # so that it can be tried again
                    raise SinkError(f"{path}: {error.strerror}. The image was not deleted.") from None
                self._count(name, -1)
                removed += 1
            for folder in {path.parent for _, path in burst}:
                self._made.remove_empty(folder)
        return removed


def _free_name(folder: Path, moment: float) -> Path:
    stem = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(moment))}-{int(moment % 1 * 1000):03}"
    path = folder / f"{stem}.jpg"
    for number in range(2, 1000):
        if not path.exists():
            break
        path = folder / f"{stem}-{number}.jpg"
    return path
