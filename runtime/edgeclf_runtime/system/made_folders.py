"""Remove class folders that a page created when they become empty."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

__all__ = ["MadeFolders"]


class MadeFolders:
    """Remembers the folders it created: an empty one would be a class without images; the user's own folders stay."""

    def __init__(self) -> None:
        self._made: set[Path] = set()

    def make(self, folder: Path) -> None:
        """Create a folder if it does not exist.

        Raises:
            OSError: it cannot be created.
        """
        fresh = not folder.exists()
        folder.mkdir(exist_ok=True)
        if fresh:
            self._made.add(folder)

    def remove_empty(self, folder: Path) -> None:
        """Remove a folder if it was created here and is empty."""
        if folder in self._made:
            with suppress(OSError):
                folder.rmdir()
