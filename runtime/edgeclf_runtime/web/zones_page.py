"""The live page of a run with zones, as a sink: a tile for each camera, with its zones' answers on the image."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edgeclf_runtime.sinks.sink import Item, Observation, ZoneName
from edgeclf_runtime.sources.source import SourceState
from edgeclf_runtime.web.assets import file_routes
from edgeclf_runtime.web.broadcast import Live, Picture, live_response
from edgeclf_runtime.web.requests import application, read_object, refusing
from edgeclf_runtime.web.server import WebServer
from edgeclf_runtime.web.status import SourceStatus, Status

if TYPE_CHECKING:
    import ssl

    from edgeclf_runtime.sinks.zone_editor import ZoneEditor

__all__ = ["ZonesPage"]

_PERIOD = 0.2  # seconds between two images of a camera
_LONGEST = 1 << 17  # maximum size of all zones in bytes


class ZonesPage:
    """Serves the page, ``/live``, ``/state.json``, ``/cameras/NUMBER.jpg``; with ``editor`` it takes ``/zones``.

    Args:
        address: ``[HOST:]PORT``.
        token: see ``address.listen``; with ``editor`` one is always required.
        zones: all zones; cameras are numbered from 0 in their order, or in that of the editor.
        tls: see ``WebServer``.
        editor: changes the zones; None if they are fixed.

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
        zones: Sequence[ZoneName],
        tls: ssl.SSLContext | None = None,
        editor: ZoneEditor | None = None,
    ) -> None:
        self._zones = {zone: Status("", ()) for zone in zones}
        cameras = [zone.camera for zone in zones] if editor is None else editor.cameras
        self._cameras = {name: (SourceStatus(), Picture()) for name in cameras}
        self._pictures = [picture for _, picture in self._cameras.values()]
        self._editor = editor
        self._live = Live(self._pictures, self.state, self.state, _PERIOD)
        routes = [*file_routes("zones"), *self._routes(), *([] if editor is None else [self._saving(editor)])]
        self._server = WebServer(application(routes), address, token, tls, needs_token=editor is not None)
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

        async def live(request: Request) -> Response:
            return live_response(self._live, request)

        return [Route("/live", live), Route("/state.json", state), Route("/cameras/{number:int}.jpg", picture)]

    def _saving(self, editor: ZoneEditor) -> Route:
        async def save(request: Request) -> Response:
            body = await read_object(request, _LONGEST)
            version = body.get("version")
            if type(version) is not int:
                raise HTTPException(400, "Expected a JSON object with version, a whole number, and zones, a list.")
            await refusing(functools.partial(editor.save, version, body.get("zones")))
            listed = editor.listed()
            names = [ZoneName(zone["camera"], zone["name"]) for zone in listed["zones"]]
            self._zones = {name: self._zones.get(name) or Status("", ()) for name in names}
            self._live.notify()
            return JSONResponse({"version": listed["version"]})

        return Route("/zones", save, methods=["POST"])

    def state(self) -> dict[str, Any]:
        """Return ``cameras``: each with its ``name``, the result of ``SourceStatus.now``, and its ``zones``, each with
        its ``name`` and the result of ``Status.now``; and with an editor ``editing``, see ``ZoneEditor.listed``."""
        cameras = []
        for name, (source, picture) in self._cameras.items():
            own = [{"name": zone.zone, **status.now()} for zone, status in self._zones.items() if zone.camera == name]
            cameras.append({"name": name, **source.now(), "has_picture": picture.has_newer(0), "zones": own})
        return {"cameras": cameras, **({} if self._editor is None else {"editing": self._editor.listed()})}

    def take(self, item: Item) -> None:
        if isinstance(item, SourceState) and item.camera in self._cameras:
            self._cameras[item.camera][0].change(item)
        if not isinstance(item, Observation):
            return
        if (status := self._zones.get(item.zone)) is not None:
            status.take(item)
        source, picture = self._cameras[item.zone.camera]
        source.glance()
        if (frame := item.prediction.frame) is not None:
            picture.put(frame, frame.time)

    def close(self) -> None:
        """Stop serving."""
        self._live.closed = True
        self._server.close()
