"""Limit the number of connections, and how long a client may stay silent or not read."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["Connection", "sweep"]

_MOST = 100
_PATIENCE = 10.0  # seconds until the first request, or without reading what was sent


class Connection(H11Protocol):
    """A connection that counts towards the limit."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in H11Protocol
        super().connection_made(transport)
        self._seen: tuple[object, int] = (None, 0)
        self._since = time.monotonic()
        if len(self.connections) > _MOST:
            transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Refuse a malformed request. The page's own response, if its headers were sound, is dropped or cut off."""
        if self.cycle is not None:
            self.cycle.disconnected = True  # or its response would follow the refusal, which is an error
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()

    def is_stuck(self) -> bool:
        """Return whether the client is inactive; call it every few seconds."""
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
