"""What strangers can take before they have said a word: sockets, and the time for a TLS handshake."""

from __future__ import annotations

import functools
import socket
from typing import Any, Callable

__all__ = ["BoundedListener", "with_short_handshakes"]

_MOST = 200  # sockets; twice the connections, as a flood of them lives for a moment
_PATIENCE = 10.0  # seconds


class BoundedListener(socket.socket):
    """A listening socket that has a bounded number of others open.

    A connection whose TLS handshake has no end is known to nobody else, and takes one of the files a process may open.
    """

    _accepted: tuple[socket.socket, ...] = ()

    def accept(self) -> tuple[socket.socket, Any]:
        connection, address = super().accept()
        still_open = tuple(one for one in self._accepted if one.fileno() >= 0)
        if len(still_open) >= _MOST:
            connection.close()
            raise BlockingIOError("too many connections")  # asyncio waits for the next
        self._accepted = (*still_open, connection)
        return connection, address


def with_short_handshakes(create_server: Callable[..., Any]) -> Callable[..., Any]:
    """An event loop's ``create_server`` that ends a TLS handshake sooner than asyncio does, after a minute."""
    return functools.partial(create_server, ssl_handshake_timeout=_PATIENCE)
