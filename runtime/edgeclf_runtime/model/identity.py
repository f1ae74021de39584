"""The identity of the model file in use."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ModelIdentity"]


class ModelIdentity(NamedTuple):
    """A model file.

    Attributes:
        path: the path that it was opened from.
        name: name of the model, for display.
        digest: SHA-256 of the file.
        signed: the digest that its signature covers, as named in an update; empty without a signature.
    """

    path: str
    name: str
    digest: str
    signed: str
