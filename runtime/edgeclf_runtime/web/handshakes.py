"""Limit sockets and the duration of TLS handshakes before the first request."""

from __future__ import annotations

import functools
import socket
from typing import Any, Callable

__all__ = ["BoundedListener", "with_short_handshakes"]

_MOST = 200  # sockets; twice the number of connections, because refused ones live for a moment
_PATIENCE = 10.0  # seconds


class BoundedListener(socket.socket):
    """A listening socket that limits the number of open accepted sockets.

    A connection that never finishes its TLS handshake is not counted elsewhere, but uses a file descriptor.
    """

    _accepted: tuple[socket.socket, ...] = ()

    def accept(self) -> tuple[socket.socket, Any]:
        connection, address = super().accept()
        still_open = tuple(one for one in self._accepted if one.fileno() >= 0)
        if len(still_open) >= _MOST:
            connection.close()
            raise BlockingIOError("too many connections")  # asyncio tries again later
        self._accepted = (*still_open, connection)
        return connection, address


def with_short_handshakes(create_server: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap an event loop's ``create_server`` with a shorter handshake time-out than asyncio's minute."""
    return functools.partial(create_server, ssl_handshake_timeout=_PATIENCE)
