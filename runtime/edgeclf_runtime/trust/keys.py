"""Ed25519 keys in PEM files, as OpenSSL writes them, by the optional package cryptography."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Callable

from edgeclf_runtime.errors import SignatureError, UsageError
from edgeclf_runtime.system.packages import check_version
from edgeclf_runtime.trust.sealing import attached, sealed_digest, split
from edgeclf_runtime.trust.statement import MODEL, Statement, shown_version

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

__all__ = ["SigningKey", "TrustedKeys", "write_key_pair"]

_PUBLIC = re.compile(rb"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)
_LIMIT = 1 << 20  # bytes of a file of keys


def write_key_pair(path: Path) -> tuple[Path, str]:
    """Write a new private key to ``path``, which only its owner may read, and the public key beside it.

    Returns:
        Path of the public key, and its fingerprint.

    Raises:
        UsageError: one of the files exists; it is never overwritten.
        SignatureError: cryptography is missing.
        OSError: a file cannot be written.
    """
    _require_cryptography()
    from cryptography.hazmat.primitives import serialization as forms
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    public_path = path.with_name(f"{path.name}.pub")
    for file in (path, public_path):
        if os.path.lexists(file):
            raise UsageError(f"{file}: already exists, and keys are never overwritten; choose another name.")
    private = Ed25519PrivateKey.generate()
    secret = private.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())
    _write_new(path, secret, 0o600)
    public = private.public_key().public_bytes(forms.Encoding.PEM, forms.PublicFormat.SubjectPublicKeyInfo)
    _write_new(public_path, public, 0o644)
    return public_path, _fingerprint(private.public_key())


def _write_new(path: Path, content: bytes, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


class SigningKey:
    """A private key.

    Args:
        path: of a PEM file.
        ask: returns the passphrase, if the key has one.

    Raises:
        UsageError: no such file, or not a private ed25519 key.
        SignatureError: cryptography is missing.
    """

    def __init__(self, path: Path, ask: Callable[[], str]) -> None:
        _require_cryptography()
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        content = _content(path)
        password = ask().encode() if b"ENCRYPTED" in content else None
        try:
            key = load_pem_private_key(content, password)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            wrong = "wrong passphrase" if password else "not a private ed25519 key in PEM"
            raise UsageError(f"{path}: {wrong}. Make one: edgeclf sign --new-key FILE")
        self._key: Ed25519PrivateKey = key
        self.fingerprint = _fingerprint(key.public_key())

    def statement(self, kind: str, digest: str, version: int) -> Statement:
        """Sign a digest and a version."""
        text = Statement(kind, version, digest, self.fingerprint)
        return Statement(kind, version, digest, self.fingerprint, self._key.sign(text.signed))

    def has_signed(self, statement: Statement) -> bool:
        """Whether this key has made a statement."""
        return _is_valid(statement, self._key.public_key())

    def signed(self, content: bytes, version: int) -> bytes:
        """Return a model file signed with this version."""
        return attached(content, self.statement(MODEL, sealed_digest(content), version))


def _is_valid(statement: Statement, key: Ed25519PublicKey) -> bool:
    """Whether the private key of a public one has made a statement."""
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(statement.signature, statement.signed)
    except InvalidSignature:
        return False
    return True


class TrustedKeys:
    """Public keys, one of which must have signed a file.

    Args:
        path: of a PEM file with one public key or several, so that a key can be replaced.

    Raises:
        UsageError: no such file, or no ed25519 key in it.
        SignatureError: cryptography is missing.
    """

    def __init__(self, path: Path) -> None:
        _require_cryptography()
        self.path = path
        self._keys = {_fingerprint(key): key for key in _public_keys(path)}

    def check(self, path: Path | str, content: bytes, kind: str = MODEL) -> Statement:
        """Return the statement at the end of a file, whose signature and digest were checked.

        Args:
            path: of the file, or its address, for messages.
            content: of the file.
            kind: what the statement has to be about.

        Raises:
            SignatureError: not signed, signed by another key, or changed since; the message is one line.
        """
        body, statement = split(content)
        if statement is None or statement.kind != kind:
            how = f" Sign it: edgeclf sign {path} --key KEY" if kind == MODEL else ""
            raise SignatureError(f"{path}: is not signed, but {self.path} requires a signature.{how}")
        import hashlib

        return self.check_statement(path, statement, hashlib.sha256(body).hexdigest())

    def check_statement(self, path: Path | str, statement: Statement, digest: str) -> Statement:
        """Return a statement whose signature is valid and which is about this digest; see ``check``."""
        key = self._keys.get(statement.key)
        if key is None:
            trusted = ", ".join(self._keys)
            raise SignatureError(f"{path}: signed by another key ({statement.key}); {self.path} contains {trusted}.")
        if not _is_valid(statement, key):
            raise SignatureError(f"{path}: its signature is forged or damaged (it names the key {statement.key}).")
        if statement.digest != digest:
            raise SignatureError(
                f"{path}: was changed after it was signed on {shown_version(statement.version)}; copy or sign it again."
            )
        return statement


def _public_keys(path: Path) -> list[Ed25519PublicKey]:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    content = _content(path)
    if b"PRIVATE KEY" in content:
        raise UsageError(f"{path}: a private key, which only the signer may have; give the public key, {path}.pub.")
    keys = []
    for block in _PUBLIC.findall(content):
        try:
            key = load_pem_public_key(block)
        except (ValueError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, Ed25519PublicKey):
            raise UsageError(f"{path}: has a key that is not ed25519. Make one: edgeclf sign --new-key FILE")
        keys.append(key)
    if not keys:
        raise UsageError(f"{path}: has no public key in PEM; expected the file KEY.pub of edgeclf sign --new-key KEY.")
    return keys


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LIMIT)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}.") from None


def _fingerprint(key: Ed25519PublicKey) -> str:
    """Return the first 16 digits of the SHA-256 of a key."""
    import hashlib

    from cryptography.hazmat.primitives import serialization as forms

    return hashlib.sha256(key.public_bytes(forms.Encoding.Raw, forms.PublicFormat.Raw)).hexdigest()[:16]


def _require_cryptography() -> None:
    try:
        import cryptography  # noqa: F401
    except ImportError:
        raise SignatureError(
            "Signatures need the package cryptography: pip install 'edgeclf-runtime[signed]'"
        ) from None
    check_version("cryptography", SignatureError)
