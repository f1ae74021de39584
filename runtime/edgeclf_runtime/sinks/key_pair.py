"""A certificate of one's own and its key, as a server or a client shows them."""

from __future__ import annotations

import os
import ssl

from edgeclf_runtime.errors import SinkError

__all__ = ["load_key_pair", "tls_reason"]


def load_key_pair(context: ssl.SSLContext, cert: str, key: str, names: tuple[str, str]) -> None:
    """Load PEM files into a context.

    Args:
        context: of a server or a client.
        cert: path of the certificate, which those that signed it may follow.
        key: path of its key; empty where ``cert`` holds both.
        names: what errors call the two.

    Raises:
        SinkError: names the file that cannot be used, and why.
    """
    files = [(name, path) for name, path in zip(names, (cert, key)) if path]
    for name, path in files:
        if not os.path.isfile(path):
            raise SinkError(f"{name} {path}: no such file.")
        try:
            open(path, "rb").close()  # the error of a pair does not say which of the two it is
        except OSError as error:
            raise SinkError(f"{name} {path}: {error.strerror}.") from None
    try:  # a key with a password would be asked for on a terminal that a service does not have
        context.load_cert_chain(cert, key or None, password=_refuse_password)
    except (OSError, ValueError) as error:
        shown = ", ".join(f"{name} {path}" for name, path in files)
        raise SinkError(f"{shown}: {tls_reason(error, 'no PEM files of a certificate and its key')}.") from None


def _refuse_password() -> bytes:
    raise ValueError("its key has a password; take it off with openssl pkey -in KEY -out NEW")


def tls_reason(error: Exception, otherwise: str) -> str:
    """Why a PEM file cannot be used, in a few words; ``otherwise`` where OpenSSL says nothing that helps."""
    if isinstance(error, ssl.SSLError):
        return "the key is not that of the certificate" if "MISMATCH" in str(error) else otherwise
    return str(getattr(error, "strerror", None) or error)
