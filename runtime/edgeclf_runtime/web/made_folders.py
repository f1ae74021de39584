"""Folders of classes that a page made, which go again when they are empty."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

__all__ = ["MadeFolders"]


class MadeFolders:
    """Remembers which it made: an empty one would be a class without images, but somebody's own stays."""

    def __init__(self) -> None:
        self._made: set[Path] = set()

    def make(self, folder: Path) -> None:
        """Make it, if it is not there.

        Raises:
            OSError: it cannot be made.
        """
        fresh = not folder.exists()
        folder.mkdir(exist_ok=True)
        if fresh:
            self._made.add(folder)

    def remove_empty(self, folder: Path) -> None:
        """Remove it, if it was made here and nothing is in it."""
        if folder in self._made:
            with suppress(OSError):
                folder.rmdir()
