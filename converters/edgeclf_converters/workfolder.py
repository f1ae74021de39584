"""A folder beside a file that is being made; one that a killed process left behind is removed by the next."""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edgeclf_runtime.beside import naming

__all__ = ["work_folder"]


@contextmanager
def work_folder(path: Path, purpose: str = "work") -> Iterator[Path]:
    """A hidden folder beside ``path`` while the ``with`` lasts, on the same disk, so that its files can be renamed.

    Args:
        path: of the file that is made.
        purpose: part of the folder's name.
    """
    prefix = f".{path.name}.{purpose}."
    for left in path.parent.glob(f"{glob.escape(prefix)}*"):
        with suppress(OSError), _locked(left):  # refused while the process that made it lives
            shutil.rmtree(left)
    with naming(path), tempfile.TemporaryDirectory(dir=path.parent, prefix=prefix) as folder, _locked(Path(folder)):
        yield Path(folder)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)
