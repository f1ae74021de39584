"""A roll-back only signs models again that the key has signed before, whatever a device says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from edgeclf_fleet.signing import signed_anew
from edgeclf_runtime.trust.keys import SigningKey
from edgeclf_runtime.trust.statement import MODEL, UPDATE, Statement
from tests.signing import key_pairs

GOOD, EVIL = "ab" * 32, "cd" * 32


def _event(statement: object) -> dict[str, Any]:
    return {"kind": "ok", "host": "box", "status": {"digest": EVIL, "statement": statement}}


def test_a_device_gets_nothing_signed_that_the_key_has_not_signed_before(tmp_path: Path) -> None:
    keys = key_pairs(tmp_path)
    mine, other = (SigningKey(keys / name, lambda: "") for name in ("mine", "other"))
    old = mine.statement(MODEL, GOOD, 1)
    lies = [
        replace(old, digest=EVIL),
        replace(old, version=2, signature=bytes(64)),
        other.statement(MODEL, EVIL, 1),
        replace(other.statement(MODEL, EVIL, 1), key=mine.fingerprint),
        mine.statement(UPDATE, EVIL, 1),  # about an update's description, not about a model
    ]
    events = [_event(lie.to_bytes().decode()) for lie in lies]
    events += [_event(odd) for odd in ("", "x", 5, None, f"{old.to_bytes().decode()}digest {EVIL}\n")]
    events += [{"kind": "ok", "host": "box", "status": EVIL}, {"kind": "start", "host": "box"}]
    assert signed_anew(events, mine) == {}
    (digest, text), *others = signed_anew([*events, _event(old.to_bytes().decode().strip())], mine).items()
    new = Statement.read(text.encode())
    assert (digest, others, new is not None and new.digest) == (GOOD, [], GOOD)
    assert new is not None
    assert mine.has_signed(new)
    assert new.version > old.version


def test_a_check_signs_nothing(tmp_path: Path) -> None:
    mine = SigningKey(key_pairs(tmp_path) / "mine", lambda: "")
    events = [_event(mine.statement(MODEL, GOOD, 1).to_bytes().decode())]
    assert signed_anew(events, mine, check=True) == {GOOD: ""}
