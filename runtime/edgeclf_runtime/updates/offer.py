"""The description of an update, which is signed and lies beside the model files in a folder or on a web server."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field

from edgeclf_runtime.errors import ModelError
from edgeclf_runtime.trust.keys import SigningKey, TrustedKeys
from edgeclf_runtime.trust.statement import LENGTH, MODEL, UPDATE, Statement

__all__ = ["OFFER", "OFFER_LIMIT", "Offer"]

OFFER = "edgeclf-update.json"
"""Name of the file."""

OFFER_LIMIT = 1 << 14
"""Most bytes of it."""

_BYTES_LIMIT = 1 << 30  # of a model file


@dataclass(frozen=True)
class Offer:
    """An update that is offered; the file that is named ``file`` beside it has the model.

    Attributes:
        statement: about the model; it takes the place of the one at the end of the file, so an old file that is
            offered again is newer than all before.
        size: bytes of the signed model file.
        name: of the model, for display.
        card_format: format of its card.
        edgetpu: whether it was compiled for an Edge TPU.
        deltas: bytes of the deltas that are offered, too, by the digest of the model that each begins with.
    """

    statement: Statement
    size: int
    name: str
    card_format: int
    edgetpu: bool
    deltas: dict[str, int] = field(default_factory=dict)

    @property
    def file(self) -> str:
        """Return the name of the model's file."""
        return f"{self.statement.digest}.tflite"

    def delta_file(self, old: str) -> str:
        """Return the name of the delta from the model of this digest."""
        return f"{old}-{self.statement.digest}.delta"

    @property
    def shown(self) -> str:
        """Return the model for display."""
        return f"{self.name} ({self.statement.digest[:8]})"

    def to_bytes(self, key: SigningKey) -> bytes:
        """Return the content of the file ``OFFER``, which ends with a signature of its own."""
        content = {
            "format": 1,
            "name": self.name,
            "bytes": self.size,
            "card_format": self.card_format,
            "edgetpu": self.edgetpu,
            "deltas": self.deltas,
            "model": self.statement.to_bytes().decode(),
        }
        body = json.dumps(content, ensure_ascii=False, indent=1).encode() + b"\n"
        return body + key.statement(UPDATE, hashlib.sha256(body).hexdigest(), self.statement.version).to_bytes()

    @classmethod
    def read(cls, where: str, data: bytes, keys: TrustedKeys) -> Offer:
        """Read and check the content of the file ``OFFER``.

        Args:
            where: it came from, for messages.
            data: its content.
            keys: one of these must have signed it, and the model.

        Raises:
            SignatureError: not signed, signed by another key, or changed.
            ModelError: of a newer version, or not what an offer is.
        """
        keys.check(where, data, UPDATE)
        try:
            content = json.loads(data[:-LENGTH])
            statement = Statement.read(content["model"].encode())
            size, card_format = content["bytes"], content["card_format"]
            name, edgetpu, deltas = content["name"], content["edgetpu"], dict(content["deltas"])
            is_well_formed = content["format"] == 1 and statement is not None and statement.kind == MODEL
            is_well_formed &= type(size) is type(card_format) is int and LENGTH < size <= _BYTES_LIMIT
            is_well_formed &= type(name) is str and type(edgetpu) is bool
            is_well_formed &= all(type(count) is int and 0 < count < size for count in deltas.values())
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            is_well_formed = False
        if not is_well_formed or statement is None:
            raise ModelError(f"{where}: of a newer version: update edgeclf-runtime.")
        keys.check_statement(where, statement, statement.digest)
        return cls(statement, size, name, card_format, edgetpu, deltas)
