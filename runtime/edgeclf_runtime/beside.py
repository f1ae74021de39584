"""Files that are there as a whole or not at all: written beside their place and renamed into it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["naming", "written_beside"]


@contextmanager
def naming(path: Path, hidden: Path | None = None) -> Iterator[None]:
    """An OSError that names no file, such as that of a full disk, or the hidden one, names ``path``."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(hidden)):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """A hidden name, ending in ``.part``, to write to: renamed to ``path`` at the end, removed after an error.

    Raises:
        OSError: with ``path`` as its ``filename``.
    """
    hidden = path.with_name(f".{path.name}.part")
    try:
        with naming(path, hidden):
            yield hidden
            os.replace(hidden, path)
    except BaseException:
        with suppress(OSError):
            hidden.unlink()
        raise
