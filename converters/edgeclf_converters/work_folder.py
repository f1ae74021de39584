"""A folder beside a file that is being made; one that a killed process left behind is removed by the next."""

from __future__ import annotations

import errno
import fcntl
import glob
import os
import platform
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edgeclf_runtime.system.atomic_file import naming

__all__ = ["work_folder"]

_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF)  # disks on a network


@contextmanager
def work_folder(path: Path, purpose: str = "work") -> Iterator[Path]:
    """A hidden folder beside ``path`` while the ``with`` lasts, on the same disk, so that its files can be renamed.

    Args:
        path: of the file that is made.
        purpose: part of the folder's name.
    """
    prefix = f".{path.name}.{purpose}.{_machine()}."
    for left in path.parent.glob(f"{glob.escape(prefix)}*"):
        with suppress(OSError), _locked(left):  # refused while the process that made it lives
            shutil.rmtree(left)
    with naming(path):
        folder, handle = _made(path.parent, prefix)
    with naming(path, folder):
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(handle)


def _machine() -> str:
    """Part of the names: on a network's disk another machine's lock on a folder may not be seen."""
    return f"{zlib.crc32(platform.node().encode()):08x}"


def _made(parent: Path, prefix: str) -> tuple[Path, int]:
    """A new folder with a lock on it, which another process may have taken, or removed it, in between."""
    while True:
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=prefix))
        try:
            handle = _lock(folder)
        except (FileNotFoundError, BlockingIOError):
            continue
        except OSError as error:
            if error.errno in _WITHOUT_LOCKS:  # then what a killed process leaves is not swept away
                return folder, os.open(folder, os.O_RDONLY)
            shutil.rmtree(folder, ignore_errors=True)
            raise
        if folder.exists():
            return folder, handle
        os.close(handle)


def _lock(folder: Path) -> int:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = _lock(folder)
    try:
        yield
    finally:
        os.close(handle)
