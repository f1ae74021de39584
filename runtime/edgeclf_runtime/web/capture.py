"""The page that training photographs are collected with."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edgeclf_runtime.errors import SinkError, UsageError
from edgeclf_runtime.frame import Frame
from edgeclf_runtime.sources.source import SourceState
from edgeclf_runtime.web.album import Album
from edgeclf_runtime.web.files import file_routes
from edgeclf_runtime.web.live import Live, Picture, live_response
from edgeclf_runtime.web.requests import application, read_texts
from edgeclf_runtime.web.server import WebServer
from edgeclf_runtime.web.shutter import Shutter
from edgeclf_runtime.web.status import SourceStatus

if TYPE_CHECKING:
    import ssl

__all__ = ["CapturePage"]


class CapturePage:
    """Shows a camera's frames and writes those into the album during which a class's button is held.

    Args:
        album: that is filled.
        address, token: see ``address.listen``.
        tls: see ``WebServer``.

    Attributes:
        invitation: the address to open.

    Raises:
        SinkError: it cannot be served.
    """

    def __init__(self, album: Album, address: str, token: str = "", tls: ssl.SSLContext | None = None) -> None:
        self._album, self._shutter = album, Shutter()
        self._status, self._picture = SourceStatus(), Picture()
        self._trouble, self._taken = "", 0
        self._live = Live(self._picture, lambda: {"folder": str(album.folder)}, self._state)
        self._server = WebServer(application([*file_routes("capture"), *self._routes()]), address, token, tls)
        self.invitation = self._server.invitation

    def tell(self, state: SourceState) -> None:
        """The listener to open the source with."""
        self._status.change(state)

    def show(self, frame: Frame) -> None:
        """One more frame: shown, and kept if a button is held."""
        now = time.monotonic()
        self._status.frame(now)
        self._picture.put(frame.pixels)
        name, first = self._shutter.due(now)
        if not name:
            return
        if first:
            self._album.begin()
        try:
            self._album.write(name, frame.pixels, time.time() - (now - frame.time), frame.jpeg)
            self._trouble, self._taken = "", self._taken + 1
        except SinkError as error:
            self._trouble = str(error)

    def close(self) -> None:
        """Stop serving."""
        self._live.closed = True
        self._server.close()

    def _state(self) -> dict[str, Any]:
        counts = [[name, count] for name, count in self._album.counts.items()]
        return {**self._status.now(), "classes": counts, "taken": self._taken, "trouble": self._trouble}

    def _routes(self) -> list[Route]:
        async def live(request: Request) -> Response:
            return live_response(self._live, request)

        async def state(request: Request) -> Response:
            return JSONResponse(self._state())

        async def add(request: Request) -> Response:
            (name,) = await read_texts(request, "name")
            try:
                return JSONResponse({"name": self._album.add(name)})
            except UsageError as error:
                raise HTTPException(400, str(error)) from None

        async def hold(request: Request) -> Response:
            name, press = await read_texts(request, "name", "press")
            if name not in self._album.counts:
                raise HTTPException(404, f"There is no class {name!r}.")
            self._shutter.hold(name, press, time.monotonic())
            return JSONResponse({})

        async def release(request: Request) -> Response:
            (press,) = await read_texts(request, "press")
            self._shutter.release(press)
            return JSONResponse({})

        async def undo(request: Request) -> Response:
            try:
                return JSONResponse({"removed": await asyncio.to_thread(self._album.take_back)})
            except SinkError as error:
                raise HTTPException(409, str(error)) from None

        posts = {"/classes": add, "/hold": hold, "/release": release, "/undo": undo}
        looks = [Route("/live", live), Route("/state.json", state)]
        return [*looks, *(Route(path, endpoint, methods=["POST"]) for path, endpoint in posts.items())]
