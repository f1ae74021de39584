"""Make text from untrusted files safe for a terminal."""

from __future__ import annotations

import os
import re
import unicodedata
from typing import IO

__all__ = ["counted", "is_label", "plain", "printable", "takes_colour"]

# Control characters that terminals obey (C0 and C1). Joiners and direction marks stay: some scripts need them.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_NO_TEXT = {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"}  # Unicode categories that are not text, or end a line
_OVERRIDES = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # reverse the text that follows


def plain(text: str) -> str:
    """Return the text on one line, with a space for control characters and an escape for a lone surrogate."""
    return _CONTROLS.sub(" ", text).encode("utf-8", "backslashreplace").decode("utf-8")


def is_label(text: str) -> bool:
    """Whether a text can name a class: one line, in any script, without leading or trailing space."""
    signs = set(text)
    plain_text = not signs & _OVERRIDES and not _NO_TEXT & {unicodedata.category(sign) for sign in signs}
    return bool(text) and text == text.strip() and plain_text


def printable(path: str | os.PathLike[str]) -> str:
    """Return the path as text, with escapes for bytes that are not UTF-8."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun, such as "1 image" or "2 images"; give ``plural`` for irregular nouns."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def takes_colour(stream: IO[str] | None) -> bool:
    """Whether to write colours to a stream: to a terminal, unless NO_COLOR (https://no-color.org) is set.

    Args:
        stream: None if the process has no such stream.
    """
    if stream is None or stream.closed or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()
