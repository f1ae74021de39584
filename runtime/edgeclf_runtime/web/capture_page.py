"""The web page for collecting training images."""

from __future__ import annotations

import asyncio
import functools
import platform
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edgeclf_runtime.errors import SinkError, UsageError
from edgeclf_runtime.frame import Frame
from edgeclf_runtime.prediction import NOTHING
from edgeclf_runtime.sources.source import SourceState
from edgeclf_runtime.web.album import Album
from edgeclf_runtime.web.assets import file_routes
from edgeclf_runtime.web.broadcast import Live, Picture, live_response
from edgeclf_runtime.web.lesson import Lesson, Teaching
from edgeclf_runtime.web.recent_pictures import RecentPictures
from edgeclf_runtime.web.requests import application, read_texts, refusing
from edgeclf_runtime.web.server import WebServer
from edgeclf_runtime.web.shutter import Shutter
from edgeclf_runtime.web.status import SourceStatus
from edgeclf_runtime.web.uploads import Uploads

if TYPE_CHECKING:
    import ssl

__all__ = ["CapturePage"]

_LONGEST_PRESS = 64  # letters
_COUNT = 1.0  # seconds between two checks for changes that others made to the folder


class Zones(Protocol):
    """The zones of run.toml; see ``commands.capture_zones.ZoneChoice``."""

    names: tuple[str, ...]
    zone: str

    def choose(self, name: str) -> None: ...


class CapturePage:
    """Shows a camera's frames and stores them in the album while the button of a class is held.

    The browser may also send photographs of its own camera, such as a phone's.

    Args:
        album: where images are stored.
        address, token: see ``address.listen``.
        tls: see ``WebServer``.
        camera: whether this machine has a camera, whose frames go to ``show``.
        view: describes how its frames are rotated and cropped; empty if they are not.
        train_options: options of ``edgeclf train`` with which a device sees the same view.
        teaching: teaches the images on this page; None without ``--teach``.
        zones: the zones to choose from; None for the camera's own images.

    Attributes:
        invitation: the address to open.

    Raises:
        SinkError: it cannot be served.
    """

    def __init__(
        self,
        album: Album,
        address: str,
        token: str = "",
        tls: ssl.SSLContext | None = None,
        *,
        camera: bool = True,
        view: str = "",
        train_options: str = "",
        teaching: Teaching | None = None,
        zones: Zones | None = None,
    ) -> None:
        self._album, self._shutter, self._recent = album, Shutter(), RecentPictures()
        self._status, self._picture = SourceStatus(), Picture()
        self._uploads, self._trouble, self._camera = Uploads(self._keep), "", camera
        about: dict[str, Any] = {"folder": str(album.folder), "camera": camera, "host": platform.node(), "view": view}
        about["model"] = "" if teaching is None else str(teaching.model)
        about["zones"] = [] if zones is None else list(zones.names)
        self._zones = zones
        self._live = Live(self._picture, lambda: {**about, "train_options": train_options}, self._state)
        self._lesson = Lesson(teaching, album.folder, self._uploads, self._live.notify) if teaching else None
        routes = [*file_routes("capture"), *self._routes(), *(self._lesson.routes() if self._lesson else ())]
        self._server = WebServer(application(routes), address, token, tls)
        self.invitation = self._server.invitation
        self._closing = threading.Event()
        threading.Thread(target=self._follow_folder, name="album", daemon=True).start()

    def tell(self, state: SourceState) -> None:
        """Update the state of the source; the listener of the source."""
        self._status.change(state)

    def show(self, frame: Frame) -> None:
        """Show a frame, and store it if a button is held."""
        now = time.monotonic()
        self._status.frame(now)
        self._picture.put(frame.pixels)
        if self._lesson is not None and self._live.viewers:
            self._lesson.show(frame)
        name, press = self._shutter.due(now)
        if not name:
            return
        try:
            self._write(name, press, frame.pixels, time.time() - (now - frame.time), frame.jpeg)
            self._trouble = ""
        except SinkError as error:
            self._trouble = str(error)

    def _write(self, name: str, press: str, pixels: npt.NDArray[np.uint8], moment: float, data: bytes | None) -> None:
        self._recent.add(name, self._album.write(name, pixels, moment, data, press), pixels)
        self._live.notify()

    def _keep(self, name: str, press: str, data: bytes, pixels: npt.NDArray[np.uint8]) -> None:
        """Store a photograph of the browser's own camera; uses this machine's time, as its clock may be wrong."""
        self._write(name, press, pixels, time.time(), data)

    def _follow_folder(self) -> None:
        while not self._closing.wait(_COUNT):
            if self._live.viewers:
                self._refresh()

    def _refresh(self) -> None:
        self._album.refresh()
        self._recent.prune()

    def close(self) -> None:
        """Stop serving."""
        self._closing.set()
        self._live.closed = True
        self._server.close()
        if self._lesson is not None:
            self._lesson.close()

    def _state(self) -> dict[str, Any]:
        counts = sorted(
            ([name, count] for name, count in self._album.counts.items()), key=lambda one: one[0] == NOTHING
        )
        press, last = self._album.last
        written = {"classes": counts, "last": {"press": press, "count": last}, "recent": self._recent.listed()}
        status = self._status.now() if self._camera else {"source": None}
        lesson = {} if self._lesson is None else {"lesson": self._lesson.state()}
        zone = {} if self._zones is None else {"zone": self._zones.zone}
        return {**status, **written, **lesson, **zone, "trouble": self._trouble}

    def _class(self, name: str) -> str:
        if name not in self._album.counts:
            raise HTTPException(404, f"There is no class {name!r}.")
        return name

    def _routes(self) -> list[Route]:
        async def live(request: Request) -> Response:
            return live_response(self._live, request)

        async def state(request: Request) -> Response:
            await asyncio.to_thread(self._refresh)
            return JSONResponse(self._state())

        async def recent(request: Request) -> Response:
            content = self._recent.read(request.path_params["number"])
            if not content:
                raise HTTPException(404, "This image is gone.")
            return Response(content, media_type="image/jpeg")

        async def add(request: Request) -> Response:
            (name,) = await read_texts(request, "name")
            try:
                added = self._album.add(name)
            except UsageError as error:
                raise HTTPException(400, str(error)) from None
            self._live.notify()
            return JSONResponse({"name": added})

        async def hold(request: Request) -> Response:
            name, press = await read_texts(request, "name", "press")
            self._shutter.hold(self._class(name), press, time.monotonic())
            return JSONResponse({})

        async def release(request: Request) -> Response:
            (press,) = await read_texts(request, "press")
            self._shutter.release(press)
            return JSONResponse({})

        async def photograph(request: Request) -> Response:
            name, press = (request.query_params.get(key, "") for key in ("name", "press"))
            try:
                await self._uploads.take(request, self._class(name), press[:_LONGEST_PRESS])
            except SinkError as error:
                raise HTTPException(409, str(error)) from None
            return JSONResponse({})

        async def undo(request: Request) -> Response:
            (press,) = await read_texts(request, "press")
            try:
                removed = await asyncio.to_thread(self._album.take_back, press)
            except SinkError as error:
                raise HTTPException(409, str(error)) from None
            finally:
                await asyncio.to_thread(self._recent.prune)
                self._live.notify()
            return JSONResponse({"removed": removed})

        async def choose(request: Request) -> Response:
            (name,) = await read_texts(request, "name")
            if self._zones is None:
                raise HTTPException(404, "There are no zones: edgeclf capture --config run.toml")
            await refusing(functools.partial(self._zones.choose, name))
            self._live.notify()
            return JSONResponse({"zone": name})

        posts = {
            "/zone": choose,
            "/classes": add,
            "/hold": hold,
            "/release": release,
            "/photograph": photograph,
            "/undo": undo,
        }
        looks = [Route("/live", live), Route("/state.json", state), Route("/recent/{number:int}.jpg", recent)]
        return [*looks, *(Route(path, endpoint, methods=["POST"]) for path, endpoint in posts.items())]
