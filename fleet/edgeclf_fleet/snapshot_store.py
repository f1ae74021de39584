"""The folder that snapshots are copied to, and the record of all that ever arrived.

FOLDER/NAME.jpg                       new images, to be sorted
FOLDER/.pulled/DEVICE/NAME.jpg        complete images that were not compared yet
FOLDER/.pulled/DEVICE/.NAME.*.part    an image in transfer
FOLDER/.pulled/images.db              what arrived, including what was sorted or discarded since
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeclf_fleet.errors import FleetError
from edgeclf_fleet.remote_snapshots import LARGEST
from edgeclf_runtime.errors import ImageError
from edgeclf_runtime.pictures.images import checked_header, decode_image
from edgeclf_runtime.pictures.likeness import DETAIL, DIFFERENCE, FITTED, THUMB, thumbnail
from edgeclf_runtime.pictures.preprocess import Pixels
from edgeclf_runtime.sinks.snapshots.recent import any_alike
from edgeclf_runtime.sorting.image_name import device_name
from edgeclf_runtime.system.moving import free_path, move

__all__ = ["Adopted", "Arrivals", "SnapshotStore"]

_HIDDEN = ".pulled"
_PIXELS = 1 << 24  # 4096x4096
_TABLE = """
create table if not exists images (
    name text primary key,   -- with the device
    state text not null,     -- "new", "copy" or "damaged"
    thumb blob, detail blob  -- see likeness.thumbnail
)
"""


class Arrivals:
    """Where the images of one device arrive.

    Args:
        folder: the folder that images are copied to.
        host: the device's name in the inventory.
    """

    def __init__(self, folder: Path, host: str) -> None:
        mark = hashlib.sha256(host.encode("utf-8", "surrogateescape")).hexdigest()[:8]
        self._database = folder / _HIDDEN / "images.db"
        self.folder = folder / _HIDDEN / f"{device_name(host)}-{mark}"
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in self.folder.glob(".*.part"):  # left by a killed command
            left.unlink(missing_ok=True)

    def known(self) -> set[str]:
        """Return the names of the images that arrived, from any device, or that wait here."""
        waiting = {path.name for path in self.folder.glob("*.jpg")}
        if not self._database.exists():
            return waiting
        with closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True, timeout=60)) as database:
            return waiting | {name for (name,) in database.execute("select name from images")}

    def part(self, name: str) -> Path:
        """Return the path of an image in transfer."""
        return self.folder / f".{name}.{os.getpid()}.part"  # a process of a killed command may still be writing its own

    def complete(self, name: str) -> Path:
        """Return the path of an image that has arrived."""
        return self.folder / name


@dataclass(frozen=True)
class Adopted:
    """What became of arrived images: numbers of ``new`` images, ``copies`` and ``damaged`` files."""

    new: int = 0
    copies: int = 0
    damaged: int = 0

    def __add__(self, other: Adopted) -> Adopted:
        return Adopted(self.new + other.new, self.copies + other.copies, self.damaged + other.damaged)


class SnapshotStore:
    """Moves arrived images to the folder, each only once, and without near-duplicates.

    A context manager.

    Args:
        folder: created if it does not exist.

    Raises:
        FleetError: the record cannot be opened, or another command uses the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / _HIDDEN).mkdir(parents=True, exist_ok=True)
        self._lock = (folder / _HIDDEN / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise FleetError(f"{folder}: another command is copying images to it; wait until it ends.") from None
        self._database = sqlite3.connect(folder / _HIDDEN / "images.db", timeout=60)
        try:
            self._database.execute(_TABLE)
            self._database.commit()
            self._seen = _Seen(self._database.execute("select thumb, detail from images where thumb is not null"))
        except sqlite3.Error as error:
            self.close()
            why = f"{error}. Restore it, or pull to a new folder."
            raise FleetError(f"{folder / _HIDDEN / 'images.db'}: {why}") from None

    def adopt(self) -> Adopted:
        """Take in all images that have arrived, including those of a killed command."""
        adopted = Adopted()
        for path in sorted((self._folder / _HIDDEN).glob("*/*.jpg")):
            adopted += self._take(path)
        return adopted

    def _take(self, path: Path) -> Adopted:
        known = self._database.execute("select state from images where name = ?", (path.name,)).fetchone()
        if known is None:
            known = (self._note(path),)
        # It is recorded before it is moved: if this is killed in between, the next run still finds it here.
        if known[0] == "new":
            move(path, free_path(self._folder / path.name))
        else:
            path.unlink()
        return Adopted(known[0] == "new", known[0] == "copy", known[0] == "damaged")

    def _note(self, path: Path) -> str:
        """Record an image and return its state."""
        row: tuple[str, bytes | None, bytes | None] = ("damaged", None, None)
        with suppress(ImageError):
            shown = thumbnail(_pixels(path))
            state = "copy" if self._seen.has_alike(shown) else "new"
            row = (state, shown[0].tobytes(), shown[1].tobytes())
            self._seen.add(shown)
        self._database.execute("insert into images values (?, ?, ?, ?)", (path.name, *row))
        self._database.commit()
        return row[0]

    def close(self) -> None:
        """Close the record."""
        self._database.close()
        self._lock.close()

    def __enter__(self) -> SnapshotStore:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _pixels(path: Path) -> Pixels:
    if path.stat().st_size > LARGEST:
        raise ImageError(f"{path}: too large.")
    content = path.read_bytes()
    if checked_header(content, path.name, limit=_PIXELS).kind != "JPEG":
        raise ImageError(f"{path}: not a JPEG.")
    return decode_image(content, path.name, min_size=FITTED.height)


class _Seen:
    """Thumbnails of all images that arrived, 1.5 KB each; those with other mean colours need not be compared."""

    def __init__(self, rows: Iterator[tuple[bytes, bytes]]) -> None:
        self._thumbs: list[tuple[Pixels, npt.NDArray[np.uint8]]] = []
        self._means = np.zeros((64, 12), np.float32)
        for thumb, detail in rows:
            pixels = np.frombuffer(thumb, np.uint8).reshape(THUMB, THUMB, 3)
            self.add((pixels, np.frombuffer(detail, np.uint8).reshape(DETAIL, DETAIL)))

    def add(self, shown: tuple[Pixels, npt.NDArray[np.uint8]]) -> None:
        if len(self._thumbs) == len(self._means):
            self._means = np.concatenate([self._means, np.zeros_like(self._means)])
        self._means[len(self._thumbs)] = _quarters(shown[0])
        self._thumbs.append(shown)

    def has_alike(self, shown: tuple[Pixels, npt.NDArray[np.uint8]]) -> bool:
        """Return whether an image of the same scene arrived before."""
        apart = np.abs(self._means[: len(self._thumbs)] - _quarters(shown[0])).mean(axis=1)
        return any_alike([self._thumbs[row] for row in np.flatnonzero(apart <= DIFFERENCE)], shown)


def _quarters(thumb: Pixels) -> npt.NDArray[np.float32]:
    """Return the mean colours of the quarters: they differ by no more than the pixels do."""
    half = THUMB // 2
    return np.asarray(thumb.reshape(2, half, 2, half, 3).mean(axis=(1, 3)), np.float32).reshape(12)
