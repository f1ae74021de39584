"""Detect a config with passwords or tokens that other users can read."""

from __future__ import annotations

import re
import shlex
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edgeclf_runtime.system.plain_text import printable

__all__ = ["exposed_secrets", "keys_with_secrets", "way_out"]

_SECRET_KEY = re.compile(r"token|password|passwd|secret", re.IGNORECASE)
_IN_ADDRESS = re.compile(r"//[^/?#@\s]*:(?!\d{1,5}(?:[/?#]|$))[^@\s]+@")
_IN_TEXT = re.compile(
    r"(?:pass|passwd|password|pwd|token|secret|api_?key|auth\w*)(?:=|:\s|\s+Bearer\s)\s*\S", re.IGNORECASE
)
_LONG_PART = 16  # a webhook's path component of this length is its secret, as in Home Assistant and chats


def exposed_secrets(path: Path, content: Mapping[str, Any]) -> str:
    """Return a warning in one line, without any secret; empty if there is no problem or it cannot be checked.

    Args:
        path: path of the config.
        content: parsed content of the config.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return ""
    keys = keys_with_secrets(content) if mode & stat.S_IROTH else []
    if not keys:
        return ""
    return f"{printable(path)}: others may read it, with a password or token in {', '.join(keys)}: {way_out(path)}"


def way_out(path: Path) -> str:
    """Return the command that fixes the permissions."""
    return f"chmod 600 {shlex.quote(printable(path))}"


def keys_with_secrets(content: Mapping[str, Any]) -> list[str]:
    """Return the keys whose values contain a password or token, such as ``sinks.mqtt``, in the file's order."""
    return list(dict.fromkeys(_keys(content, "")))


def _keys(value: Any, name: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _keys(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list):
        for inner in value:
            yield from _keys(inner, name)
    elif isinstance(value, str) and _is_secret(name.rpartition(".")[2], value):
        yield name


def _is_secret(key: str, value: str) -> bool:
    if not value:
        return False
    if _SECRET_KEY.search(key) or _IN_ADDRESS.search(value) or _IN_TEXT.search(value):
        return True
    if key != "webhook":
        return False
    try:
        return any(len(part) >= _LONG_PART for part in urlsplit(value).path.split("/"))
    except ValueError:
        return True
