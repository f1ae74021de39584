"""Atomic writes: a file is complete or absent, also after a power cut; written to a hidden name, then renamed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["naming", "put_in_place", "sync", "sync_open", "write_text", "written_beside"]

# Errors of filesystems that cannot sync (EBADF: Windows, for a file opened for reading).
_UNABLE = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF)


@contextmanager
def naming(path: Path, hidden: Path | None = None) -> Iterator[None]:
    """Make an OSError name ``path`` if it names no file (a full disk, for example) or a hidden one.

    Args:
        hidden: the hidden file, or a folder of them.
    """
    try:
        yield
    except OSError as error:
        named = None if error.filename is None else Path(os.fsdecode(error.filename))
        if error.errno is None or (named is not None and hidden not in (named, *named.parents)):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """Yield a hidden path ending in ``.part`` to write to; it replaces ``path`` at the end, or is removed on an error.

    Raises:
        OSError: with ``path`` as its ``filename``; also if it is a device such as /dev/null, which root could replace.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OSError(errno.EINVAL, "a device or pipe, which a file would replace. Give the name of a file", str(path))
    hidden = path.with_name(f".{path.name}.part")
    try:
        with naming(path, hidden):
            yield hidden
            put_in_place(hidden, path)
    except BaseException:
        with suppress(OSError):
            hidden.unlink()
        raise


def write_text(path: Path, text: str) -> None:
    """Write a text file as UTF-8; at any moment either the old or the new file is there, complete.

    Raises:
        OSError: with ``path`` as its ``filename``.
    """
    with written_beside(path) as hidden:
        hidden.write_text(text, "utf-8")


def put_in_place(finished: Path, path: Path) -> None:
    """Rename a finished file to ``path``; if the power fails, either the old or the new file is there, complete.

    Args:
        finished: a file on the same filesystem as ``path``, or a folder whose files were synced.
        path: replaced if it exists.

    Raises:
        OSError: with ``path`` as its ``filename``; the old file is kept, unless only syncing the folder failed.
    """
    with naming(path, finished):
        sync(finished)  # or the new name may reach the disk before the content, and the file would be empty
        os.replace(finished, path)
        sync(path.parent)


def sync(path: Path) -> None:
    """Flush a file's content, or a folder's entries, to the disk where the filesystem can.

    Raises:
        OSError: the disk cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:  # the file may be written but not read
        return
    try:
        sync_open(descriptor)
    finally:
        os.close(descriptor)


def sync_open(descriptor: int) -> None:
    """Flush an open file to the disk, see ``sync``."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNABLE:
            raise
