"""A folder whose new and changed images are noticed."""

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
"""When a file was changed, in ns, and its size."""

_RARELY = 300.0  # seconds between two listings where inotify tells what changes: it does not of what a link leads to
_SHARE = 20.0  # times as long as a listing takes the next is awaited, where nobody tells
_SLOWEST = 60.0  # seconds it is awaited, at most


class FolderWatch:
    """Looks into a folder, with its sub-folders, again and again: by what inotify tells, else by listing it.

    Args:
        folder: without names that begin with a dot.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._inotify: Inotify | None = None
        self._identity: tuple[int, int] | None = None  # of the folder that inotify was told of
        self._due, self._is_gone = 0.0, False

    def look(self) -> tuple[dict[str, Version], bool]:
        """Images that are new or may have changed since the last look, and whether these are all that there are.

        Of a folder that is not there, which is said once, none are, and that is not all.
        """
        changed = self._reported_changes()
        if changed is not None:
            versions = ((path, version_of(path)) for path in changed if _is_picture(path))
            return {path: version for path, version in versions if version is not None}, False
        if time.monotonic() < self._due:
            return {}, False
        return self._all()

    def _reported_changes(self) -> set[str] | None:
        """What inotify tells; None where the folder is to be listed."""
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
        with suppress(OSError, AttributeError):  # this system has none
            self._inotify = Inotify() if tells_all(str(self._folder)) else None

    def _listed(self, folder: str) -> Iterator[tuple[str, Version]]:
        """All images in and below it; each folder is watched before it is read, so that nothing comes in between."""
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
        except OSError:  # more folders than it may watch, say: the whole is listed instead
            self._inotify.close()
            self._inotify = None

    def close(self) -> None:
        """Let go; safe to call twice."""
        self._stop()


def _is_picture(path: str) -> bool:
    """By its name, as ``find_images`` does."""
    name = os.path.basename(path)
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES and not name.startswith(".")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def version_of(path: str) -> Version | None:
    """A file's; None where there is no file of this name."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size) if stat.S_ISREG(status.st_mode) else None
