"""Load the certificate and key of a server or a client."""

from __future__ import annotations

import os
import ssl

from edgeclf_runtime.errors import SinkError

__all__ = ["load_key_pair", "tls_reason"]


def load_key_pair(context: ssl.SSLContext, cert: str, key: str, names: tuple[str, str]) -> None:
    """Load a certificate and its key from PEM files into a context.

    Args:
        context: context of a server or a client.
        cert: path of the certificate, optionally followed by its signers' certificates.
        key: path of the key; empty if ``cert`` contains both.
        names: names of the two settings, for errors.

    Raises:
        SinkError: a file cannot be used; the message names it and the reason.
    """
    files = [(name, path) for name, path in zip(names, (cert, key)) if path]
    for name, path in files:
        if not os.path.isfile(path):
            raise SinkError(f"{name} {path}: no such file.")
        try:
            open(path, "rb").close()  # the error of load_cert_chain does not say which file it is
        except OSError as error:
            raise SinkError(f"{name} {path}: {error.strerror}.") from None
    try:  # OpenSSL would ask for a key's password on a terminal, which a service does not have
        context.load_cert_chain(cert, key or None, password=_refuse_password)
    except (OSError, ValueError) as error:
        shown = ", ".join(f"{name} {path}" for name, path in files)
        raise SinkError(f"{shown}: {tls_reason(error, 'no PEM files of a certificate and its key')}.") from None


def _refuse_password() -> bytes:
    raise ValueError("its key has a password; take it off with openssl pkey -in KEY -out NEW")


def tls_reason(error: Exception, otherwise: str) -> str:
    """Return why a PEM file cannot be used, in a few words; ``otherwise`` if OpenSSL's message does not help."""
    if isinstance(error, ssl.SSLError):
        return "the key is not that of the certificate" if "MISMATCH" in str(error) else otherwise
    return str(getattr(error, "strerror", None) or error)
