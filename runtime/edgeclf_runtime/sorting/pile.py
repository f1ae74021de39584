"""A folder of unsorted images, and the class folders that they are moved to."""

from __future__ import annotations

import filecmp
import hashlib
import itertools
import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeclf_runtime.errors import SinkError, UsageError
from edgeclf_runtime.model.class_name import check_class_name, is_part, same_class
from edgeclf_runtime.pictures.images import IMAGE_SUFFIXES
from edgeclf_runtime.sinks.snapshots.name import DISCARDED, UNSORTED, class_folder, files_of, folder_name
from edgeclf_runtime.sorting.image_name import ImageName
from edgeclf_runtime.system.made_folders import MadeFolders
from edgeclf_runtime.system.moving import free_path, move
from edgeclf_runtime.system.plain_text import plain, printable

__all__ = ["Moved", "Pile", "image_id"]

_UNDONE = 500  # number of latest moves that can be undone
_OWN = (".", "__")  # prefixes of names that are not classes


@dataclass(frozen=True)
class Moved:
    """The result of one move.

    Attributes:
        number: number of the move, to undo it.
        folder: name of the folder.
        count: number of images.
    """

    number: int
    folder: str
    count: int


class Pile:
    """Images to sort: those directly in a folder, and its unsorted snapshots.

    A discarded image goes to ``FOLDER/__discarded/``; it is never shown again, even if the same file is copied to the
    folder once more. Another image of its name is shown, unless the name is a snapshot's, which no other image has.

    Args:
        folder: folder of the images.
        photos: folder with a sub-folder per class; created with the first image.
        labels: labels of a model, which are always valid classes; other names must be valid folder names.
        classes: further classes to offer.

    Raises:
        SinkError: there is no such folder, or it cannot be read.
        UsageError: invalid class name, or ``photos`` is split into parts such as train/.
    """

    def __init__(self, folder: Path, photos: Path, labels: Sequence[str] = (), classes: Sequence[str] = ()) -> None:
        if not folder.is_dir():
            raise SinkError(f"{folder}: {'is a file' if folder.exists() else 'no such folder'}.")
        if photos.exists() and not photos.is_dir():
            raise SinkError(f"{photos}: is a file; expected a folder for the classes.")
        self.folder, self.photos, self._labels = folder, photos, tuple(labels)
        self._lock, self._numbers = threading.Lock(), itertools.count(1)
        self._made = MadeFolders()
        self._moves = OrderedDict[int, list[tuple[str, Path]]]()
        parts = [name for name in self.folders() if is_part(name)]
        if parts:
            raise UsageError(f"{photos}: contains parts of a split ({parts[0]}/); name one: {photos / parts[0]}.")
        self._named = [check_class_name(name) for name in classes]
        for left in photos.glob("*/.*.part"):  # unfinished files of a killed process
            left.unlink(missing_ok=True)

    def listed(self) -> list[str]:
        """Return the names of the images, relative to the folder, sorted."""
        gone = set(files_of(self.folder / DISCARDED))
        found = [name for name in files_of(self.folder) if _is_image(name)]
        unsorted = [f"{UNSORTED}/{name}" for name in files_of(self.folder / UNSORTED) if _is_image(name)]
        shown = [
            name for name in (*found, *unsorted) if os.path.basename(name) not in gone or not self._discarded(name)
        ]
        return sorted(shown, key=os.path.basename)

    def _discarded(self, name: str) -> bool:
        """Return whether an image is the discarded one of its name."""
        base = os.path.basename(name)
        if ImageName.of(base).snapshot is not None:
            return True
        try:
            return filecmp.cmp(self.folder / name, self.folder / DISCARDED / base, shallow=False)
        except OSError:  # one is gone, or cannot be read
            return False

    def path(self, name: str) -> Path:
        """Return the path of an image.

        Raises:
            SinkError: there is no such image any more.
        """
        inner, _, base = name.rpartition("/")
        path = self.folder / name
        if inner not in ("", UNSORTED) or not _is_image(base) or path.is_symlink() or not path.is_file():
            raise SinkError("This image is gone; somebody may have sorted it already.")
        return path

    def classes(self) -> list[str]:
        """Return the classes: the model's labels, the given ones, and the folders."""
        of_labels = {folder_name(label) for label in self._labels}
        folders = [name for name in self.folders() if name not in of_labels]
        return list(dict.fromkeys([*self._labels, *self._named, *folders]))

    def sort(self, names: Sequence[str], label: str) -> Moved:
        """Move images to the folder of a class.

        Args:
            names: names from ``listed``; missing ones are skipped.
            label: name of the class; a new one is created.

        Raises:
            SinkError: all are gone, or one cannot be moved; those before it were.
            UsageError: an invalid class name.
        """
        own = None if label in self._labels else same_class(label, self.folders())
        folder = own or class_folder(label, self._labels, self.classes())
        return self._move(names, self.photos / folder, folder)

    def discard(self, names: Sequence[str]) -> Moved:
        """Discard images; see ``sort``."""
        return self._move(names, self.folder / DISCARDED, DISCARDED)

    def undo(self, number: int) -> int:
        """Undo a move; return the number of images.

        Raises:
            SinkError: it was already undone, its images are gone, or one cannot be moved.
        """
        with self._lock:
            moved = self._moves.pop(number, [])
            back = 0
            for index, (name, path) in enumerate(moved):
                try:
                    move(path, free_path(self.folder / name))
                except FileNotFoundError:
                    continue
                except OSError as error:
                    self._moves[number] = moved[index:]  # so that it can be tried again
                    raise _refused(path, error) from None
                back += 1
            for folder in {path.parent for _, path in moved} - {self.folder / DISCARDED}:
                self._made.remove_empty(folder)
        if not back:
            raise SinkError("There is nothing to undo.")
        return back

    def _move(self, names: Sequence[str], target: Path, folder: str) -> Moved:
        with self._lock:
            done: list[tuple[str, Path]] = []
            number = next(self._numbers)
            self._moves[number] = done
            while len(self._moves) > _UNDONE:
                self._moves.popitem(last=False)
            for name in names:
                try:
                    source = self.path(name)
                except SinkError:
                    continue
                path = target / source.name
                try:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    self._made.make(target)
                    path = free_path(path)
                    move(source, path)
                except FileNotFoundError:
                    continue
                except OSError as error:
                    raise _refused(path, error) from None
                done.append((name, path))
            if not done:
                del self._moves[number]
                raise SinkError("These images are gone; somebody may have sorted them already.")
        return Moved(number, folder, len(done))

    def folders(self) -> list[str]:
        """Return the names of the class folders, sorted."""
        if not self.photos.is_dir():
            return []
        with os.scandir(self.photos) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith(_OWN))


def _is_image(name: str) -> bool:
    return not name.startswith(".") and "\0" not in name and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


def _refused(path: Path, error: OSError) -> SinkError:
    return SinkError(f"{plain(printable(path))}: {error.strerror}. It stays where it was.")


def image_id(name: str) -> str:
    """Return an image's id in addresses: the same after a restart, so that an old page sorts no other image."""
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
