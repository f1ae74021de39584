"""Text of files from strangers, before it comes to a terminal."""

from __future__ import annotations

import os
import re
import unicodedata
from typing import IO

__all__ = ["counted", "is_label", "plain", "printable", "takes_colour"]

# What terminals obey: C0 and C1 with their escapes. Marks of joining and direction, which some scripts need, stay.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_NO_TEXT = {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"}  # categories of characters that are none, or end a line
_OVERRIDES = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # turn what follows them around


def plain(text: str) -> str:
    """The text on one line, with a blank in place of control characters, and an escape for half a character."""
    return _CONTROLS.sub(" ", text).encode("utf-8", "backslashreplace").decode("utf-8")


def is_label(text: str) -> bool:
    """Whether it can name a class: one line of text, in any script, with no space around it."""
    signs = set(text)
    plain_text = not signs & _OVERRIDES and not _NO_TEXT & {unicodedata.category(sign) for sign in signs}
    return bool(text) and text == text.strip() and plain_text


def printable(path: str | os.PathLike[str]) -> str:
    """The path with escapes for bytes that are not UTF-8, which could not be written to any text."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun, such as "1 image" and "2 images"; ``plural`` is that of an irregular one."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def takes_colour(stream: IO[str] | None) -> bool:
    """Whether text for this stream may have colours: a terminal, unless NO_COLOR (https://no-color.org) is set.

    Args:
        stream: None where a process has none.
    """
    if stream is None or stream.closed or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()
