"""Files that are there as a whole or not at all, also after a power cut: written beside their place, renamed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["naming", "put_in_place", "sync", "sync_open", "write_text", "written_beside"]

# Of filesystems that cannot do it (EBADF: of Windows, for a file opened to be read).
_UNABLE = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF)


@contextmanager
def naming(path: Path, hidden: Path | None = None) -> Iterator[None]:
    """An OSError that names no file, such as that of a full disk, or a hidden one, names ``path``.

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
    """A hidden name, ending in ``.part``, to write to: put in the place of ``path`` at the end, removed after an error.

    Raises:
        OSError: with ``path`` as its ``filename``.
    """
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
    """Write a text file as UTF-8: the one before or this one is there, whole.

    Raises:
        OSError: with ``path`` as its ``filename``.
    """
    with written_beside(path) as hidden:
        hidden.write_text(text, "utf-8")


def put_in_place(finished: Path, path: Path) -> None:
    """Rename a finished file to ``path``; whenever the power is cut, the file before or this one is there, whole.

    Args:
        finished: beside ``path``, or elsewhere on its filesystem; or a folder whose files were synced.
        path: replaced, if it is there.

    Raises:
        OSError: with ``path`` as its ``filename``; what was there is still there, unless its folder cannot be synced.
    """
    with naming(path, finished):
        sync(finished)  # or the disk may have the new name before the content: an empty file
        os.replace(finished, path)
        sync(path.parent)


def sync(path: Path) -> None:
    """Wait until the disk has a file's content, or the names in a folder, where the filesystem can say so.

    Raises:
        OSError: the disk cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:  # it may be written alone
        return
    try:
        sync_open(descriptor)
    finally:
        os.close(descriptor)


def sync_open(descriptor: int) -> None:
    """The same of an open file."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNABLE:
            raise
