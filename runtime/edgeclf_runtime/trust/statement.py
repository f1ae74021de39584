"""What a key signs: the digest of a file and a version, in lines that anybody can read at the end of the file."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

__all__ = ["LENGTH", "MODEL", "UPDATE", "Statement", "shown_version"]

MODEL = "model"
"""Kind of a statement about a model file."""

UPDATE = "offer"
"""Kind of a statement about the description of an update; as long as the other, so that all statements are."""

_FORM = re.compile(
    rb"edgeclf-signature 1\n"
    rb"kind (model|offer)\n"
    rb"version ([0-9]{15})\n"
    rb"digest ([0-9a-f]{64})\n"
    rb"key ([0-9a-f]{16})\n"
    rb"signature ([0-9a-f]{128})\n"
)


@dataclass(frozen=True)
class Statement:
    """A signed statement; that it is one does not say that its signature is valid.

    Attributes:
        kind: ``MODEL`` or ``UPDATE``.
        version: when it was signed, in milliseconds since 1970; the larger is the newer.
        digest: SHA-256 of what is signed, in hexadecimal digits.
        key: fingerprint of the key that signed it.
        signature: 64 bytes.
    """

    kind: str
    version: int
    digest: str
    key: str
    signature: bytes = bytes(64)

    @property
    def signed(self) -> bytes:
        """The lines that the signature is over."""
        return (
            f"edgeclf-signature 1\nkind {self.kind}\nversion {self.version:015}\ndigest {self.digest}\nkey {self.key}\n"
        ).encode()

    def to_bytes(self) -> bytes:
        """Return the ``LENGTH`` bytes of it."""
        return self.signed + f"signature {self.signature.hex()}\n".encode()

    @classmethod
    def read(cls, data: bytes) -> Statement | None:
        """Return the statement that these bytes are; None if they are none. Only one spelling is accepted."""
        match = _FORM.fullmatch(data)
        if match is None:
            return None
        kind, version, digest, key, signature = (part.decode() for part in match.groups())
        return cls(kind, int(version), digest, key, bytes.fromhex(signature))


LENGTH = len(Statement(MODEL, 0, "0" * 64, "0" * 16).to_bytes())
"""Bytes of a statement."""


def shown_version(version: int) -> str:
    """Return a version as the time of the signature, such as "2026-11-28 17:00:01 UTC"."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(version / 1000))
    except (OverflowError, ValueError, OSError):  # a year that this machine cannot name
        return f"version {version}"
