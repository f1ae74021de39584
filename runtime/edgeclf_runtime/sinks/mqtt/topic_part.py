"""The form of a name in MQTT topics; without the imports of a connection, as each config with zones is checked."""

from __future__ import annotations

__all__ = ["topic_part"]


def topic_part(name: str) -> str:
    """Return a name of letters, digits, - and _ converted to ASCII, such as ``hxf6f`` for ``höf``."""
    return "".join(sign if sign.isascii() else f"x{ord(sign):x}" for sign in name)
