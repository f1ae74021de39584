"""Refuse folders that cannot be listed: ``rglob`` leaves them out without a word, and their images would be missing."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["refuse_unreadable"]


def refuse_unreadable(folder: Path) -> None:
    """List a folder and all folders in it, except hidden ones; links to folders are not followed.

    Raises:
        OSError: one cannot be listed; it is the ``filename``.
    """

    def refuse(error: OSError) -> None:
        raise error

    for _, inner, _ in os.walk(folder, onerror=refuse):
        inner[:] = [name for name in inner if not name.startswith(".")]
