"""The address at which a page listens, and its token."""

from __future__ import annotations

import ipaddress
import os
import platform
import re
import socket
from contextlib import suppress
from dataclasses import dataclass, field

from edgeclf_runtime.errors import SinkError
from edgeclf_runtime.sinks.awaited import cannot_listen
from edgeclf_runtime.web.handshakes import BoundedListener

__all__ = ["TOKEN_VARIABLE", "Listener", "is_local", "listen", "page_url", "read_address"]

TOKEN_VARIABLE = "EDGECLF_WEB_TOKEN"
"""Environment variable with the token, used if no other is given."""

_ADDRESS = re.compile(r"(?:(?P<host>\[[0-9A-Fa-f:.%]+\]|[^\s\[\]:/]+):)?(?P<port>\d{1,5})")
_TOKEN = re.compile(r"[A-Za-z0-9._~-]{12,128}")
_WAITS = 1 << 16  # send buffer per viewer in bytes; with a larger one a slow viewer would lag


@dataclass(frozen=True)
class Listener:
    """A listening socket.

    Attributes:
        socket: the socket, closed by the server.
        url: address of the page in this network, without the token.
        loopback: whether only this machine can reach it.
        token: token of the page; empty for none.
        generated: whether the token was generated here, so that it must be shown.
    """

    socket: socket.socket
    url: str
    loopback: bool
    token: str = field(repr=False)
    generated: bool

    @property
    def invitation(self) -> str:
        """Return the address to open, including a generated token."""
        return f"{self.url}?token={self.token}" if self.generated else self.url


def listen(address: str, token: str = "", *, secure: bool = False, needs_token: bool = False) -> Listener:
    """Open a port.

    Args:
        address: ``[HOST:]PORT``; 127.0.0.1 by default; port 0 picks a free one.
        token: required token. If none is given here or in the environment, one is generated for an address that other
            machines can reach.
        secure: whether the page is served over HTTPS.
        needs_token: generate one for this machine's own addresses, too.

    Raises:
        AddressError: this machine does not have the address.
        SinkError: invalid address, port in use, or a token that is too short or has other characters.
    """
    host, port, token = read_address(address, token)
    bound = _bind(host, port)
    host, port = bound.getsockname()[:2]
    loopback = ipaddress.ip_address(host.partition("%")[0]).is_loopback
    generated = not token and (needs_token or not loopback)
    url = f"{'https' if secure else 'http'}://{_shown(host)}:{port}/"
    import secrets

    return Listener(bound, url, loopback, secrets.token_urlsafe(18) if generated else token, generated)


def read_address(address: str, token: str) -> tuple[str, int, str]:
    """Return host, port and token ("" for none); raise the errors of ``listen`` without opening the port."""
    match = _ADDRESS.fullmatch(address.strip())
    if match is None or int(match["port"]) > 65535:
        raise SinkError(f"Web page on {address!r}: expected [HOST:]PORT, such as 8080 or 0.0.0.0:8080.")
    token = token or os.environ.get(TOKEN_VARIABLE, "")
    if token and not _TOKEN.fullmatch(token):
        raise SinkError("The web page's token: expected 12 to 128 letters, digits, or any of - . _ ~")
    return (match["host"] or "127.0.0.1").strip("[]"), int(match["port"]), token


def is_local(address: str) -> bool:
    """Whether only this machine can reach an address of ``listen``; any name but localhost counts as reachable."""
    host = read_address(address, "")[0].partition("%")[0]
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def page_url(address: str, *, secure: bool = False) -> str:
    """Return where other machines find the page of ``listen``, without its token; empty if they do not."""
    if not address or is_local(address) or (port := read_address(address, "")[1]) == 0:
        return ""
    host = read_address(address, "")[0]
    with suppress(ValueError):  # a name
        host = _shown(host)
    return f"{'https' if secure else 'http'}://{host}:{port}/"


def _bind(host: str, port: int) -> socket.socket:
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        bound = socket.create_server(addresses[0][4][:2], family=addresses[0][0])
    except OSError as error:
        raise cannot_listen(f"Web page on {host}:{port}", error) from None
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _WAITS)  # accepted sockets inherit it
    return BoundedListener(fileno=bound.detach())


def _shown(host: str) -> str:
    """Return the host to show in an address; the machine's name if listening on all interfaces."""
    if ipaddress.ip_address(host.partition("%")[0]).is_unspecified:
        return platform.node() or "localhost"
    return f"[{host}]" if ":" in host else host
