"""A web server in a separate thread with its own event loop."""

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

_SWEEP = 2  # seconds between two checks for stuck connections
_GRACE = 0.4  # seconds for running responses at the end
_BACKLOG = 64  # backlog of the listening socket
_LONGEST_HEAD = 16384  # maximum size of a request's headers in bytes


class WebServer:
    """Serves an application until ``close``.

    Args:
        application: ASGI application; ``Access`` protects it.
        address, token: see ``address.listen``.
        tls: from ``certificate.server_context``, for HTTPS; None for HTTP.
        needs_token: see ``address.listen``.

    Attributes:
        url: address of the page.
        invitation: address to open; the only place where a generated token is shown.

    Raises:
        SinkError: the port cannot be used, or a package is not installed.
    """

    def __init__(
        self,
        application: ASGIApp,
        address: str,
        token: str = "",
        tls: ssl.SSLContext | None = None,
        needs_token: bool = False,
    ) -> None:
        check_installed()
        import uvicorn

        from edgeclf_runtime.web.access import Access
        from edgeclf_runtime.web.connections import Connection

        listener = listen(address, token, secure=tls is not None, needs_token=needs_token)
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
            log_level="critical",  # malformed requests by anybody would fill the log
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=_BACKLOG,
            h11_max_incomplete_event_size=_LONGEST_HEAD,
            callback_notify=self._sweep,
            timeout_notify=_SWEEP,
        )
        config.load()
        config.ssl = tls  # uvicorn's own context lacks the better ciphers of TLS 1.2
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
        """Stop within a second; responses not read by then are cut off."""
        self._server.should_exit = True
        self._thread.join(_GRACE)
        if not self._thread.is_alive():
            return
        for connection in list(self._server.server_state.connections):
            connection.loop.call_soon_threadsafe(connection.transport.abort)
        self._thread.join(_GRACE)
