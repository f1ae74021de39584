"""Python's own SHA-256 gives the same digests as OpenSSL's."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from edgeclf_runtime import Classifier
from edgeclf_runtime.system import digest


def test_any_implementation_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    for content in (b"", b"model", bytes(range(256)) * 999):
        assert digest.sha256(content) == hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(digest, "_OWN", ("_none", "hashlib"))
    assert digest.sha256(b"model") == hashlib.sha256(b"model").hexdigest()


def test_a_loaded_model_knows_the_digest_of_its_file(model: Path) -> None:
    with Classifier.load(model) as classifier:
        assert classifier.identity.digest == hashlib.sha256(model.read_bytes()).hexdigest()
