"""Store images of one size in a file and read them row by row.

The file is not memory-mapped: its pages would count as memory of this process, all of them after one pass.
"""

from __future__ import annotations

import errno
import mmap
import os
import weakref
from pathlib import Path
from typing import overload

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.pictures.preprocess import Pixels
from edgeclf_runtime.system.atomic_file import naming

__all__ = ["PixelFile"]

Indices = npt.NDArray[np.int64]


class PixelFile:
    """uint8 RGB ``[rows, height, width, 3]`` on a disk; safe to read and write from several threads.

    Args:
        path: a new file. Its space is reserved at once, so that a full disk is an error here; its name is removed as
            soon as it is open.
        shape: rows, height, width.
    """

    def __init__(self, path: Path, shape: tuple[int, int, int]) -> None:
        self._path, self._picture = path, (*shape[1:], 3)
        self._bytes = int(np.prod(self._picture))
        self._rows: Indices = np.arange(shape[0])
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        weakref.finalize(self, os.close, self._file)
        os.unlink(path)  # stays readable while open, and vanishes with this process, however it ends
        if shape[0]:
            with naming(path):
                _take_room(self._file, shape[0] * self._bytes)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images in pixels."""
        return self._picture[0], self._picture[1]

    @overload
    def __getitem__(self, key: int) -> Pixels: ...
    @overload
    def __getitem__(self, key: slice | Indices) -> Pixels: ...
    def __getitem__(self, key: int | slice | Indices) -> Pixels:
        """Return copies of one image, of a range, or of the given rows."""
        rows = np.atleast_1d(self._rows[key])
        pixels = np.empty((len(rows), *self._picture), np.uint8)
        for target, row in zip(pixels, rows, strict=True):
            if _read_into(self._file, target.data, int(row) * self._bytes) != self._bytes:
                raise OSError("The file of decoded images is shorter than when it was written.")
        return pixels[0] if np.ndim(self._rows[key]) == 0 else pixels

    def take(self, rows: Indices) -> PixelFile:
        """Return these rows of the same file, in this order."""
        chosen = object.__new__(PixelFile)
        chosen.__dict__.update(self.__dict__, _rows=self._rows[rows], _whole=self)
        return chosen

    def write(self, row: int, pixels: Pixels) -> None:
        """Write one image to its row."""
        os.pwrite(self._file, np.ascontiguousarray(pixels).data, int(self._rows[row]) * self._bytes)

    def mapped(self) -> Pixels:
        """Return all rows as one memory-mapped array."""
        pages = mmap.mmap(self._file, len(self._rows) * self._bytes, prot=mmap.PROT_READ)
        return np.frombuffer(pages, np.uint8).reshape(len(self._rows), *self._picture)


def _take_room(file: int, size: int) -> None:
    """Reserve disk space if the system can; otherwise a full disk is an error at the first image that does not fit."""
    try:
        os.posix_fallocate(file, 0, size)
    except (AttributeError, OSError) as error:  # macOS lacks it, and some network drives refuse it
        if isinstance(error, OSError) and error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        os.ftruncate(file, size)


def _read_into(file: int, target: memoryview, offset: int) -> int:
    """Read into memory, without a copy if the system can; return the number of bytes read."""
    if hasattr(os, "preadv"):
        return os.preadv(file, [target], offset)
    content = os.pread(file, target.nbytes, offset)
    target.cast("B")[: len(content)] = content
    return len(content)
