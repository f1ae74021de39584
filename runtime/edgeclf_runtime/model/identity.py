"""Which model file is in use."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ModelIdentity"]


class ModelIdentity(NamedTuple):
    """A model file.

    Attributes:
        path: that it was opened from.
        name: of the model, for display.
        digest: SHA-256 of the file.
        signed: digest that its signature is about, which an update names; empty without a signature.
    """

    path: str
    name: str
    digest: str
    signed: str
