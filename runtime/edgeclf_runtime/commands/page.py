"""What commands with a web page share: HTTPS, class names, and ending."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from edgeclf_runtime.errors import SinkError

if TYPE_CHECKING:
    import ssl

__all__ = ["class_names", "server_context", "terminated"]


def class_names(context: click.Context, option: click.Parameter, value: str) -> list[str]:
    """Return the names in "A,B"; an option callback."""
    return [name for name in value.split(",") if name.strip()]


def server_context(tls: tuple[str, str] | None) -> ssl.SSLContext | None:
    """Return the TLS context for a certificate and its key; None for HTTP.

    Raises:
        SinkError: they cannot be used, or the certificate has expired.
    """
    if tls is None:
        return None
    from edgeclf_runtime.web.certificate import EXPIRED, has_expired
    from edgeclf_runtime.web.certificate import server_context as context_of

    context = context_of(*tls)
    if has_expired(context, tls[0]):
        raise SinkError(f"{tls[0]}: {EXPIRED}.")
    return context


@contextmanager
def terminated() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C."""
    import signal

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
