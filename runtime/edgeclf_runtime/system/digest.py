"""SHA-256 without OpenSSL, whose library takes 3 MiB of a device's memory."""

from __future__ import annotations

from importlib import import_module

__all__ = ["sha256"]

_OWN = ("_sha2", "_sha256", "hashlib")  # modules of Python 3.12 or newer, of older versions, and of any version


def sha256(content: bytes) -> str:
    """Return the digest as 64 hexadecimal digits."""
    for name in _OWN:
        try:
            return str(import_module(name).sha256(content).hexdigest())
        except ImportError:
            continue
    raise ImportError("hashlib is missing from this Python.")
