"""Watch a folder for new and changed images."""

from __future__ import annotations

import logging
import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from edgeclf_runtime.pictures.images import IMAGE_SUFFIXES
from edgeclf_runtime.sources.folder.inotify import Inotify, tells_all
from edgeclf_runtime.system.plain_text import printable

__all__ = ["FolderWatch", "Version", "version_of"]

_log = logging.getLogger(__name__)

Version = tuple[int, int]
"""Modification time of a file in ns, and its size in bytes."""

_RARELY = 300.0  # seconds between two listings with inotify, which does not report changes behind links
_SHARE = 20.0  # without inotify: wait this many times as long as a listing takes before the next
_SLOWEST = 60.0  # longest such wait in seconds


class FolderWatch:
    """Watches a folder with its subfolders, with inotify or else by listing it.

    Args:
        folder: the folder; hidden names in it are ignored.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._inotify: Inotify | None = None
        self._identity: tuple[int, int] | None = None  # of the folder that inotify watches
        self._due, self._is_gone = 0.0, False

    def look(self) -> tuple[dict[str, Version], bool]:
        """Return the images that are new or may have changed since the last call, and whether these are all images.

        A missing folder is logged once, and gives no images and False.
        """
        changed = self._reported_changes()
        if changed is not None:
            versions = ((path, version_of(path)) for path in changed if _is_picture(path))
            return {path: version for path, version in versions if version is not None}, False
        if time.monotonic() < self._due:
            return {}, False
        return self._all()

    def _reported_changes(self) -> set[str] | None:
        """Return the changes that inotify reports; None if the folder must be listed."""
        if self._inotify is None:
            return None
        is_same = self._identity == _identity(self._folder)
        changed = self._inotify.changed() if is_same and time.monotonic() < self._due else None
        if changed is None:
            self._stop()
        return changed

    def _stop(self) -> None:
        if self._inotify is not None:
            self._inotify.close()
        self._inotify, self._due = None, 0.0

    def _all(self) -> tuple[dict[str, Version], bool]:
        begun = time.monotonic()
        self._start()
        try:
            versions = dict(self._listed(str(self._folder)))
        except OSError as error:
            self._stop()
            if not self._is_gone:
                what = "no such folder" if isinstance(error, FileNotFoundError) else error.strerror
                _log.warning("%s: %s.", printable(self._folder), what)
            self._is_gone = True
            return {}, False
        self._is_gone, now = False, time.monotonic()
        self._due = now + (_RARELY if self._inotify is not None else min(_SLOWEST, _SHARE * (now - begun)))
        return dict(sorted(versions.items(), key=lambda item: item[0].split(os.sep))), True

    def _start(self) -> None:
        self._identity = _identity(self._folder)
        with suppress(OSError, AttributeError):  # this system has no inotify
            self._inotify = Inotify() if tells_all(str(self._folder)) else None

    def _listed(self, folder: str) -> Iterator[tuple[str, Version]]:
        """Yield all images in and below a folder; each folder is watched before it is read, so no change is missed."""
        self._watch(folder)
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if not entry.name.startswith("."):
                        with suppress(FileNotFoundError, PermissionError, NotADirectoryError):
                            yield from self._listed(entry.path)
                elif _is_picture(entry.path) and (version := version_of(entry.path)) is not None:
                    yield entry.path, version

    def _watch(self, folder: str) -> None:
        if self._inotify is None:
            return
        try:
            if not tells_all(folder):
                raise OSError("another file system")
            self._inotify.add(folder)
        except OSError:  # for example too many folders to watch: list everything instead
            self._inotify.close()
            self._inotify = None

    def close(self) -> None:
        """Stop watching; safe to call twice."""
        self._stop()


def _is_picture(path: str) -> bool:
    """Whether a path is an image by its name, as in ``find_images``."""
    name = os.path.basename(path)
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES and not name.startswith(".")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def version_of(path: str) -> Version | None:
    """Return the version of a file; None if it does not exist."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size) if stat.S_ISREG(status.st_mode) else None
