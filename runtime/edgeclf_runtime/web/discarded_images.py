"""Discard images of an album so that they can be restored."""

from __future__ import annotations

import os
from pathlib import Path

from edgeclf_runtime.errors import SinkError
from edgeclf_runtime.system.atomic_file import sync

__all__ = ["DiscardedImages"]

_FOLDER = "__discarded"  # neither a class for edgeclf train nor for edgeclf teach


class DiscardedImages:
    """Moves images to ``FOLDER/__discarded/CLASS/`` and back.

    Args:
        folder: folder of the album.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, name: str) -> bool:
        """Return whether an image is discarded."""
        return (self._folder / _FOLDER / name).is_file()

    def path(self, name: str) -> Path:
        """Return the current path of an image."""
        return self._folder / _FOLDER / name if self.has(name) else self._folder / name

    def discard(self, name: str) -> None:
        """Discard an image.

        Args:
            name: ``CLASS/FILE``.

        Raises:
            SinkError: it is gone, or cannot be moved.
        """
        self._move(self._folder / name, self._folder / _FOLDER / name)

    def restore(self, name: str) -> None:
        """Restore an image; see ``discard``."""
        self._move(self._folder / _FOLDER / name, self._folder / name)

    def _move(self, source: Path, target: Path) -> None:
        if source.is_symlink() or not source.is_file():
            raise SinkError(f"{source}: is gone.")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                raise SinkError(f"{target}: is there already.")
            os.rename(source, target)
            sync(target.parent)
        except OSError as error:
            if isinstance(error, SinkError):
                raise
            raise SinkError(f"{target}: {error.strerror}. Nothing was moved.") from None
