"""Uncertain snapshots, sorted by the user on the page."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from edgeclf_runtime.errors import SinkError
from edgeclf_runtime.sinks.snapshots.name import (
    DELETED,
    DISCARDED,
    UNSORTED,
    WHOLE,
    Snapshot,
    class_folder,
    deleted_names,
    read_name,
)
from edgeclf_runtime.system.atomic_file import sync, write_text
from edgeclf_runtime.system.made_folders import MadeFolders

__all__ = ["Unsorted"]

_SHOWN = 24
_WAITING = 100  # number of discarded images that can still be restored
_LARGEST = 20_000_000  # maximum size of an image in bytes


class _Gone(SinkError):
    """The image is no longer there."""

    def __init__(self) -> None:
        super().__init__("This image is gone; somebody may have sorted it already.")


class Unsorted:
    """Shows and moves the images in a snapshot sink's folder, but no other files.

    Args:
        folder: folder of the sink.
        labels: labels of the model, which are always valid; other names must be valid folder names.

    Attributes:
        labels: the current labels; they change with the model.
    """

    def __init__(self, folder: Path, labels: tuple[str, ...]) -> None:
        self._folder, self.labels = folder, labels
        self._made, self._discarding = MadeFolders(), threading.Lock()

    def listed(self) -> dict[str, Any]:
        """Return the ``count``, and ``name``, ``answer``, ``score`` and ``number`` of the newest ``pictures``.

        Those of unfamiliar images also have ``unfamiliar``.
        """
        snapshots = sorted(self._snapshots(UNSORTED), key=lambda snapshot: snapshot.order, reverse=True)
        return {"count": len(snapshots), "pictures": [_summary(snapshot) for snapshot in snapshots[:_SHOWN]]}

    def read(self, name: str) -> bytes:
        """Return an image as JPEG.

        Raises:
            SinkError: there is no image of this name.
        """
        path = self._path(UNSORTED, name)
        try:
            if path.stat().st_size > _LARGEST:
                raise SinkError(f"{name}: too large.")
            return path.read_bytes()
        except FileNotFoundError:  # moved in the meantime
            raise _Gone from None

    def sort(self, name: str, label: str) -> str:
        """Move an image to the folder of a label; return the folder's name.

        Raises:
            SinkError: the image is gone, or cannot be moved.
            UsageError: invalid class name.
        """
        return self._move(name, UNSORTED, class_folder(label, self.labels, self.labels))

    def unsort(self, name: str, label: str) -> str:
        """Move an image back; see ``sort``."""
        return self._move(name, class_folder(label, self.labels, self.labels), UNSORTED)

    def discard(self, names: Sequence[str]) -> int:
        """Discard images and return their number; about the last hundred can be restored.

        Raises:
            SinkError: all are gone, or one cannot be moved.
        """
        with self._discarding:
            moved = self._move_all(names, UNSORTED, DISCARDED)
            self._forget(set(names))
        return moved

    def restore(self, names: Sequence[str]) -> int:
        """Restore discarded images; see ``discard``."""
        return self._move_all(names, DISCARDED, UNSORTED)

    def _move_all(self, names: Sequence[str], source: str, target: str) -> int:
        moved = 0
        for name in names:
            try:
                self._move(name, source, target)
            except _Gone:
                continue
            moved += 1
        if not moved:
            raise _Gone
        return moved

    def _forget(self, spared: set[str]) -> None:
        """Delete the images discarded first, with the whole images that belong to them, and note their names."""
        discarded = [self._folder / DISCARDED / snapshot.name for snapshot in self._snapshots(DISCARDED)]
        discarded.sort(key=lambda path: path.stat().st_ctime_ns)  # time of the move
        old = [path.name for path in discarded if path.name not in spared]
        gone = old[: max(0, len(discarded) - _WAITING)]
        if gone:
            write_text(self._folder / DELETED, json.dumps([*deleted_names(self._folder), *gone]))
        for name in gone:
            for folder in (DISCARDED, WHOLE):
                (self._folder / folder / name).unlink(missing_ok=True)

    def _move(self, name: str, source: str, target: str) -> str:
        path = self._path(source, name)
        try:
            self._made.make(self._folder / target)
            if (self._folder / target / name).exists():
                raise SinkError(f"{target}/{name} is there already.")
            os.rename(path, self._folder / target / name)
            sync(self._folder / target)
        except OSError as error:
            if isinstance(error, SinkError):
                raise
            raise SinkError(f"{target}/{name}: {error.strerror}.") from None
        self._made.remove_empty(self._folder / source)
        return target

    def _snapshots(self, folder: str) -> list[Snapshot]:
        try:
            with os.scandir(self._folder / folder) as entries:
                files = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
        except FileNotFoundError:
            return []
        return [snapshot for name in files if (snapshot := read_name(name))]

    def _path(self, folder: str, name: str) -> Path:
        """Return the path of one of the sink's own images in a folder; links are refused."""
        path = self._folder / folder / name
        if os.sep in name or "\0" in name or not read_name(name) or path.is_symlink() or not path.is_file():
            raise _Gone
        return path


def _summary(snapshot: Snapshot) -> dict[str, Any]:
    answer = unquote(snapshot.answer)
    summary = {"name": snapshot.name, "answer": answer, "score": snapshot.score, "number": snapshot.number}
    return {**summary, "unfamiliar": True} if snapshot.unfamiliar else summary
