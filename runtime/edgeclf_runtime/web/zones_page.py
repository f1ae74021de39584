"""The live page of a run with zones, as a sink: a tile for each camera, with its zones' answers on the image."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edgeclf_runtime.sinks.sink import Item, Observation, ZoneName
from edgeclf_runtime.sources.source import SourceState
from edgeclf_runtime.web.assets import file_routes
from edgeclf_runtime.web.broadcast import Picture
from edgeclf_runtime.web.requests import application
from edgeclf_runtime.web.server import WebServer
from edgeclf_runtime.web.status import SourceStatus, Status

if TYPE_CHECKING:
    import ssl

__all__ = ["ZonesPage"]


class ZonesPage:
    """Serves the page, ``/state.json`` and ``/cameras/NUMBER.jpg``.

    Args:
        address: ``[HOST:]PORT``.
        token: see ``address.listen``.
        zones: all zones; cameras are numbered from 0 in their order.
        tls: see ``WebServer``.

    Attributes:
        invitation: the address to open.

    Raises:
        SinkError: it cannot be served.
    """

    pictures = True

    def __init__(self, address: str, token: str, zones: Sequence[ZoneName], tls: ssl.SSLContext | None = None) -> None:
        self._zones = {zone: Status("", ()) for zone in zones}
        self._cameras = {zone.camera: (SourceStatus(), Picture()) for zone in zones}
        self._pictures = [picture for _, picture in self._cameras.values()]
        self._server = WebServer(application([*file_routes("zones"), *self._routes()]), address, token, tls)
        self.name, self.invitation = f"web {self._server.url}", self._server.invitation

    def _routes(self) -> list[Route]:
        async def state(request: Request) -> Response:
            return JSONResponse(self.state())

        async def picture(request: Request) -> Response:
            number = request.path_params["number"]
            if number >= len(self._pictures):
                raise HTTPException(404, "There is no such camera.")
            count, content = await asyncio.to_thread(self._pictures[number].jpeg)
            if not count:
                raise HTTPException(503, "No image has arrived yet.")
            return Response(content, media_type="image/jpeg")

        return [Route("/state.json", state), Route("/cameras/{number:int}.jpg", picture)]

    def state(self) -> dict[str, Any]:
        """Return ``cameras``: each with its ``name``, what ``SourceStatus.now`` says, and its ``zones``, each with its
        ``name`` and what ``Status.now`` says."""
        cameras = []
        for name, (source, picture) in self._cameras.items():
            own = [{"name": zone.zone, **status.now()} for zone, status in self._zones.items() if zone.camera == name]
            cameras.append({"name": name, **source.now(), "has_picture": picture.has_newer(0), "zones": own})
        return {"cameras": cameras}

    def take(self, item: Item) -> None:
        if isinstance(item, SourceState) and item.camera in self._cameras:
            self._cameras[item.camera][0].change(item)
        if not isinstance(item, Observation) or item.zone not in self._zones:
            return
        self._zones[item.zone].take(item)
        source, picture = self._cameras[item.zone.camera]
        source.glance()
        if (frame := item.prediction.frame) is not None:
            picture.put(frame, frame.time)

    def close(self) -> None:
        """Stop serving."""
        self._server.close()
