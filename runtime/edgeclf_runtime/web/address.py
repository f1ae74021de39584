"""Where a page listens, and the token that opens it."""

from __future__ import annotations

import ipaddress
import os
import platform
import re
import secrets
import socket
from dataclasses import dataclass, field

from edgeclf_runtime.errors import SinkError
from edgeclf_runtime.sinks.awaited import cannot_listen
from edgeclf_runtime.web.handshakes import BoundedListener

__all__ = ["TOKEN_VARIABLE", "Listener", "is_local", "listen", "read_address"]

TOKEN_VARIABLE = "EDGECLF_WEB_TOKEN"
"""The environment variable a token is taken from where none is given otherwise."""

_ADDRESS = re.compile(r"(?:(?P<host>\[[0-9A-Fa-f:.%]+\]|[^\s\[\]:/]+):)?(?P<port>\d{1,5})")
_TOKEN = re.compile(r"[A-Za-z0-9._~-]{12,128}")
_WAITS = 1 << 16  # bytes the kernel keeps for a viewer: with more, a slow one would see the past


@dataclass(frozen=True)
class Listener:
    """A socket that listens.

    Attributes:
        socket: closed by who serves it.
        url: of the page, for people of this network; without the token.
        loopback: only this machine can reach it.
        token: needed to see the page; empty for none.
        generated: nobody else knows the token yet.
    """

    socket: socket.socket
    url: str
    loopback: bool
    token: str = field(repr=False)
    generated: bool

    @property
    def invitation(self) -> str:
        """The address to open: with the token where nobody could know it otherwise."""
        return f"{self.url}?token={self.token}" if self.generated else self.url


def listen(address: str, token: str = "", *, secure: bool = False) -> Listener:
    """Open a port.

    Args:
        address: ``[HOST:]PORT``; 127.0.0.1 by default; port 0 picks a free one.
        token: for any address; one that others can reach gets one made up where none is given here or in the
            environment.
        secure: whether the page is served over HTTPS.

    Raises:
        AddressError: this machine does not have the address.
        SinkError: no address, the port is taken, or a token of too few or other characters.
    """
    host, port, token = read_address(address, token)
    bound = _bind(host, port)
    host, port = bound.getsockname()[:2]
    loopback = ipaddress.ip_address(host.partition("%")[0]).is_loopback
    generated = not token and not loopback
    url = f"{'https' if secure else 'http'}://{_shown(host)}:{port}/"
    return Listener(bound, url, loopback, secrets.token_urlsafe(18) if generated else token, generated)


def read_address(address: str, token: str) -> tuple[str, int, str]:
    """Host, port and token, "" for none; raises as ``listen`` does, but opens nothing."""
    match = _ADDRESS.fullmatch(address.strip())
    if match is None or int(match["port"]) > 65535:
        raise SinkError(f"Web page on {address!r}: expected [HOST:]PORT, such as 8080 or 0.0.0.0:8080.")
    token = token or os.environ.get(TOKEN_VARIABLE, "")
    if token and not _TOKEN.fullmatch(token):
        raise SinkError("The web page's token: expected 12 to 128 letters, digits, or any of - . _ ~")
    return (match["host"] or "127.0.0.1").strip("[]"), int(match["port"]), token


def is_local(address: str) -> bool:
    """Whether only this machine can reach an address of ``listen``, by its text: a name but localhost may be any."""
    host = read_address(address, "")[0].partition("%")[0]
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _bind(host: str, port: int) -> socket.socket:
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        bound = socket.create_server(addresses[0][4][:2], family=addresses[0][0])
    except OSError as error:
        raise cannot_listen(f"Web page on {host}:{port}", error) from None
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _WAITS)  # those it accepts inherit it
    return BoundedListener(fileno=bound.detach())


def _shown(host: str) -> str:
    """A host for an address people open: of all interfaces, the machine's name."""
    if ipaddress.ip_address(host.partition("%")[0]).is_unspecified:
        return platform.node() or "localhost"
    return f"[{host}]" if ":" in host else host
