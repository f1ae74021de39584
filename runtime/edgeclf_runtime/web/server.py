"""A web server in a thread of its own, with an event loop of its own."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from edgeclf_runtime.web import check_installed
from edgeclf_runtime.web.address import listen

if TYPE_CHECKING:
    import socket
    import ssl

    from starlette.types import ASGIApp

__all__ = ["WebServer"]

_SWEEP = 2  # seconds between two looks for connections that are stuck
_GRACE = 0.4  # seconds for answers that are being read
_BACKLOG = 64  # connections accepted at once; more than the bound live for a moment
_LONGEST_HEAD = 16384  # bytes of a request's headers


class WebServer:
    """Serves an application until ``close``.

    Args:
        application: ASGI; who may ask is decided before it.
        address, token: see ``address.listen``.
        tls: of ``certificate.server_context``, for HTTPS; None for HTTP.

    Attributes:
        url: of the page.
        invitation: what to open; the one place where a made-up token is shown.

    Raises:
        SinkError: the port cannot be had, or what serves is not installed.
    """

    def __init__(self, application: ASGIApp, address: str, token: str = "", tls: ssl.SSLContext | None = None) -> None:
        check_installed()
        import uvicorn

        from edgeclf_runtime.web.access import Access
        from edgeclf_runtime.web.connections import Connection

        listener = listen(address, token, secure=tls is not None)
        self.url, self.invitation = listener.url, listener.invitation
        port = listener.socket.getsockname()[1]
        config = uvicorn.Config(
            Access(application, listener.token, listener.loopback, port),
            http=Connection,
            ws="none",
            loop="asyncio",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="critical",  # anybody can make it complain of malformed requests
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=_BACKLOG,
            h11_max_incomplete_event_size=_LONGEST_HEAD,
            callback_notify=self._sweep,
            timeout_notify=_SWEEP,
        )
        config.load()
        config.ssl = tls  # uvicorn's own context would leave out the better ciphers of TLS 1.2
        self._server = uvicorn.Server(config)
        serving = self._serve(listener.socket)
        self._thread = threading.Thread(target=asyncio.run, args=(serving,), name="web", daemon=True)
        self._thread.start()

    async def _serve(self, listener: socket.socket) -> None:
        if self._server.config.ssl is not None:
            from edgeclf_runtime.web.handshakes import with_short_handshakes

            loop: Any = asyncio.get_running_loop()
            loop.create_server = with_short_handshakes(loop.create_server)
        await self._server.serve(sockets=[listener])

    async def _sweep(self) -> None:
        from edgeclf_runtime.web.connections import sweep

        sweep(self._server.server_state.connections)

    def close(self) -> None:
        """Stop, within a second; what is not read by then is cut off."""
        self._server.should_exit = True
        self._thread.join(_GRACE)
        if not self._thread.is_alive():
            return
        for connection in list(self._server.server_state.connections):
            connection.loop.call_soon_threadsafe(connection.transport.abort)
        self._thread.join(_GRACE)
