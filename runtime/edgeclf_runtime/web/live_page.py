"""The live page of a running classifier, as a sink."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edgeclf_runtime.errors import SinkError
from edgeclf_runtime.frame import Frame, FrameOnDemand
from edgeclf_runtime.sinks.metrics import Figures
from edgeclf_runtime.sinks.sink import Item, ModelState, Observation
from edgeclf_runtime.web.assets import file_routes
from edgeclf_runtime.web.broadcast import Live, Picture, live_response
from edgeclf_runtime.web.requests import application, read_list, read_texts, refusing
from edgeclf_runtime.web.server import WebServer
from edgeclf_runtime.web.status import Status
from edgeclf_runtime.web.unsorted import Unsorted

if TYPE_CHECKING:
    import ssl

    from edgeclf_runtime.model.examples import Examples
    from edgeclf_runtime.sinks.outlet import Outlet

__all__ = ["WebSink"]


class WebSink:
    """Serves the page, ``/live``, ``/picture.jpg``, ``/state.json``, ``/metrics`` and the snapshots.

    Args:
        address: ``[HOST:]PORT``.
        token: see ``address.listen``.
        model: name of the model.
        labels: labels of the model.
        snapshots: folder of a snapshot sink whose uncertain images can be sorted; None for none.
        tls: see ``WebServer``.
        examples: training images of the model, to show which one a frame resembles most; None for none.

    Attributes:
        invitation: the address to open.

    Raises:
        SinkError: it cannot be served.
    """

    pictures = True

    def __init__(
        self,
        address: str,
        token: str,
        model: str,
        labels: tuple[str, ...],
        snapshots: Path | None = None,
        tls: ssl.SSLContext | None = None,
        examples: Examples | None = None,
    ) -> None:
        self._status, self._picture = Status(model, labels, examples), Picture()
        self._figures = _figures()
        self._unsorted = unsorted = Unsorted(snapshots, labels) if snapshots else None
        self._live = Live(self._picture, lambda: {**self._status.about(), "sorts": bool(snapshots)}, self._status.now)
        routes = [*file_routes("preview"), *self._routes(), *(_sorting(unsorted) if unsorted else [])]
        self._server = WebServer(application(routes), address, token, tls)
        self.name, self.invitation = f"web {self._server.url}", self._server.invitation

    def _routes(self) -> list[Route]:
        async def live(request: Request) -> Response:
            return live_response(self._live, request)

        async def picture(request: Request) -> Response:
            number, content = await asyncio.to_thread(self._picture.jpeg)
            if not number:
                raise HTTPException(503, "No image has arrived yet.")
            return Response(content, media_type="image/jpeg")

        async def state(request: Request) -> Response:
            return JSONResponse({**self._status.about(), **self._status.now(), "viewers": self._live.viewers})

        async def metrics(request: Request) -> Response:
            if self._figures is None:
                raise HTTPException(404, "Figures need prometheus-client: pip install 'edgeclf-runtime[metrics]'")
            return Response(self._figures.text(), media_type="text/plain; version=0.0.4")

        async def example(request: Request) -> Response:
            content = self._status.example(request.path_params["number"])
            if content is None:
                raise HTTPException(404, "The model file has no such image.")
            return Response(content, media_type="image/jpeg")

        endpoints = {"/live": live, "/picture.jpg": picture, "/state.json": state, "/metrics": metrics}
        routes = [Route(path, endpoint) for path, endpoint in endpoints.items()]
        return [*routes, Route("/examples/{number:int}.jpg", example)]

    def take(self, item: Item) -> None:
        self._status.take(item)
        if self._figures is not None:
            self._figures.take(item)
        if isinstance(item, ModelState) and self._unsorted is not None:
            self._unsorted.labels = item.labels
        frame = item.prediction.frame if isinstance(item, Observation) else None
        if frame is not None:
            self._picture.put(frame, frame.time)

    def follow(self, outlets: Sequence[Outlet]) -> None:
        """Also show the dropped items of these outlets."""
        if self._figures is not None:
            self._figures.follow(outlets)

    def glance(self, frame: Frame | FrameOnDemand) -> None:
        """Show a frame that is not classified."""
        self._status.glance()
        self._picture.put(frame, frame.time)

    def close(self) -> None:
        """Stop serving."""
        self._live.closed = True
        self._server.close()


def _figures() -> Figures | None:
    try:
        return Figures()
    except SinkError:
        return None


def _sorting(unsorted: Unsorted) -> list[Route]:
    async def listed(request: Request) -> Response:
        return JSONResponse(await asyncio.to_thread(unsorted.listed))

    async def one(request: Request) -> Response:
        content = await refusing(lambda: unsorted.read(request.path_params["name"]))
        return Response(content, media_type="image/jpeg")

    def moving(move: Callable[[str, str], str]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            name, label = await read_texts(request, "name", "label")
            return JSONResponse({"folder": await refusing(lambda: move(name, label))})

        return endpoint

    def moving_all(move: Callable[[Sequence[str]], int]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            names = await read_list(request, "names")
            return JSONResponse({"count": await refusing(lambda: move(names))})

        return endpoint

    return [
        Route("/snapshots.json", listed),
        Route("/snapshots/{name}", one),
        Route("/sort", moving(unsorted.sort), methods=["POST"]),
        Route("/unsort", moving(unsorted.unsort), methods=["POST"]),
        Route("/discard", moving_all(unsorted.discard), methods=["POST"]),
        Route("/restore", moving_all(unsorted.restore), methods=["POST"]),
    ]
