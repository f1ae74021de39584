"""Make a temporary folder next to a file that is being written, and remove those of killed processes."""

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

_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF)  # as on network drives


@contextmanager
def work_folder(path: Path, purpose: str = "work") -> Iterator[Path]:
    """Make a hidden folder next to ``path`` for a ``with`` block, on the same disk so that files can be renamed.

    Args:
        path: the file that is being written.
        purpose: part of the folder's name.
    """
    prefix = f".{path.name}.{purpose}.{_machine()}."
    for left in path.parent.glob(f"{glob.escape(prefix)}*"):
        with suppress(OSError), _locked(left):  # cannot be locked while the process that made it runs
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
    """Return the machine's part of a folder's name: on a network drive, other machines' locks may be invisible."""
    return f"{zlib.crc32(platform.node().encode()):08x}"


def _made(parent: Path, prefix: str) -> tuple[Path, int]:
    """Make and lock a new folder; try again if another process locks or removes it in between."""
    while True:
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=prefix))
        try:
            handle = _lock(folder)
        except (FileNotFoundError, BlockingIOError):
            continue
        except OSError as error:
            if error.errno in _WITHOUT_LOCKS:  # then folders of killed processes are not removed
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
