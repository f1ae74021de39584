"""Sign models again that devices are to go back to."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from edgeclf_runtime.trust.keys import SigningKey
from edgeclf_runtime.trust.statement import MODEL, Statement

__all__ = ["signed_anew"]


def signed_anew(events: Iterable[Mapping[str, Any]], key: SigningKey, check: bool = False) -> dict[str, str]:
    """Return a new statement for each model that a device would go back to, by the model's digest.

    A device cannot be trusted: it sends the model's current statement, and only what this key has signed before is
    signed again. Otherwise one compromised device could have any model signed, for all devices.

    Args:
        events: events of the play; the ``status`` of a device has its ``statement``.
        key: the private key.
        check: sign nothing, and return an empty text for each model that would be signed. No statement may leave this
            machine then: with it, a device could use the model as newer than the current one.
    """
    version = int(time.time() * 1000)
    old = {statement.digest for statement in _shown(events) if statement.kind == MODEL and key.has_signed(statement)}
    if check:
        return dict.fromkeys(sorted(old), "")
    return {digest: key.statement(MODEL, digest, version).to_bytes().decode() for digest in sorted(old)}


def _shown(events: Iterable[Mapping[str, Any]]) -> Iterator[Statement]:
    for event in events:
        status = event.get("status")
        text = status.get("statement") if isinstance(status, dict) else None
        # The final line break is lost if the device strips its output.
        statement = Statement.read(f"{text.strip()}\n".encode("utf-8", "replace")) if isinstance(text, str) else None
        if statement is not None:
            yield statement
