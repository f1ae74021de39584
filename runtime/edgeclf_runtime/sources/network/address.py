"""Addresses of network cameras: refused where they can be read in two ways, and shown without what is secret."""

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
    """Raise SourceError, which shows no part of it but a known scheme, for an address that may be misunderstood.

    In ``rtsp://admin:1234/secret@host`` the password has a slash; by the rules of addresses its host is "admin".
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
    """Whether what is neither a known address nor a file may have been meant as an address, with a password."""
    return "@" in text or _ADDRESS.match(text) is not None


def without_password(address: str) -> str:
    """An address that can be shown: user name, password and query, where keys often stand, left out.

    So are parts of the path such as ``user=admin_password=secret``, as some cameras want them; and all but the scheme
    where user name and password may have been taken for host and port: a webhook's, as a camera's is refused.
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
