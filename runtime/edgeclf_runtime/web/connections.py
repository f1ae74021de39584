"""Limit the number of connections, and how long a client may stay silent or not read."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["Connection", "sweep"]

_MOST = 100
_PATIENCE = 10.0  # seconds until the first request, or without reading what was sent


class Connection(H11Protocol):
    """A connection that counts towards the limit."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._seen: tuple[object, int] = (None, 0)
        self._since = time.monotonic()
        if len(self.connections) > _MOST:
            transport.abort()

    def is_stuck(self) -> bool:
        """Whether the client is inactive; to be called every few seconds."""
        unread = self.transport.get_write_buffer_size()
        busy = self.cycle is not None and not self.cycle.response_complete
        if (self.cycle, unread) != self._seen or (busy and not unread):
            self._seen, self._since = (self.cycle, unread), time.monotonic()
        return time.monotonic() - self._since > _PATIENCE


def sweep(connections: set[Any]) -> None:
    """Abort stuck connections without waiting for unread data."""
    for connection in list(connections):
        if connection.is_stuck():
            connection.transport.abort()
