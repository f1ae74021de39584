"""Text of files from strangers, before it comes to a terminal."""

from __future__ import annotations

import os
import re

__all__ = ["plain", "printable"]

# What terminals obey: C0 and C1 with their escapes. Marks of joining and direction, which some scripts need, stay.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def plain(text: str) -> str:
    """The text on one line, with a blank in place of control characters."""
    return _CONTROLS.sub(" ", text)


def printable(path: str | os.PathLike[str]) -> str:
    """The path with escapes for bytes that are not UTF-8, which could not be written to any text."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
