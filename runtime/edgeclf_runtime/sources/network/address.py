"""Addresses of network cameras: refuse ambiguous ones, and show them without secrets."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

from edgeclf_runtime.errors import SourceError

__all__ = ["check_address", "looks_like_address", "without_password"]

_HOW = (
    "Expected SCHEME://user:password@host:port/path; write the special characters of a user name or password, and any "
    "other @, with their codes: @ %40, / %2F, ? %3F, # %23, : %3A, % %25, [ %5B, ] %5D, space %20."
)
_ADDRESS = re.compile(r"[\s\"'<\[(]*[A-Za-z][A-Za-z0-9+.-]*:[/\\]")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\\"<>\ud800-\udfff]")


def check_address(address: str) -> None:
    """Raise SourceError for an ambiguous address; the message shows nothing of it but a known scheme.

    In ``rtsp://admin:1234/secret@host`` the password contains a slash; by the rules of URLs the host is "admin".
    """
    scheme = address.partition("://")[0].lower()
    try:
        parts = urlsplit(address)
        unclear = not parts.hostname or parts.port == 0 or address.count("@") > ("@" in parts.netloc)
    except ValueError:
        unclear = True
    if unclear or _FORBIDDEN.search(address):
        raise SourceError(f"{scheme}://: the rest of this address cannot be understood, and is not shown. {_HOW}")


def looks_like_address(text: str) -> bool:
    """Whether a text that is neither a known address nor a file may be meant as an address with a password."""
    return "@" in text or _ADDRESS.match(text) is not None


def without_password(address: str) -> str:
    """Return an address that can be shown: without user name, password and query, which often holds keys.

    Parts of the path such as ``user=admin_password=secret``, which some cameras use, are left out, too. Only the scheme
    remains if user name and password may have been parsed as host and port: this applies to webhooks, since such an
    address of a camera is refused.
    """
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        netloc = f"{f'[{host}]' if ':' in host else host}{f':{parts.port}' if parts.port else ''}"
    except ValueError:
        raise SourceError(f"{address.partition('://')[0]}://: not a valid address.") from None
    if "@" in f"{parts.path}{parts.query}{parts.fragment}" and ":" in parts.netloc:
        return f"{parts.scheme}://..."
    path = "/".join("..." if "=" in part else part for part in parts.path.split("/"))
    return urlunsplit((parts.scheme, netloc, path, "", ""))
