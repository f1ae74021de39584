"""Move a file without ever overwriting another one."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from edgeclf_runtime.system.atomic_file import sync

__all__ = ["free_path", "move"]

# Errors of filesystems without hard links, such as those of memory cards, and of another filesystem.
_NO_LINK = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)


def move(source: Path, target: Path) -> None:
    """Move a file; at any moment it is complete in one of the two places, or in both.

    Args:
        source: a file.
        target: its new path, also on another filesystem; the folder must exist.

    Raises:
        FileExistsError: the target is another file, which stays.
        OSError: the source is gone, or the disk refuses; the source stays.
    """
    if target.exists() and os.path.samefile(source, target):  # a move that was cut off
        os.unlink(source)
        return
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        _move_without_link(source, target)
    else:
        sync(target.parent)
        os.unlink(source)
    sync(source.parent)


def _move_without_link(source: Path, target: Path) -> None:
    """Move to a filesystem where a name cannot be taken and checked in one step."""
    if target.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    hidden = target.with_name(f".{target.name}.part")
    try:
        shutil.copy2(source, hidden, follow_symlinks=False)
        sync(hidden)
        os.rename(hidden, target)
    except BaseException:
        hidden.unlink(missing_ok=True)
        raise
    sync(target.parent)
    os.unlink(source)


def free_path(path: Path) -> Path:
    """Return the path, or the first of ``NAME-2.jpg``, ``NAME-3.jpg`` and so on that does not exist."""
    free, number = path, 1
    while free.exists() or free.is_symlink():
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free
