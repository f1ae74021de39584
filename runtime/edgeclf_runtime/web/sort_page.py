"""The page of ``edgeclf sort``: unsorted images in groups, moved to the folders of classes by a click."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edgeclf_runtime.pictures.images import read_image
from edgeclf_runtime.sinks.jpeg import small_jpeg
from edgeclf_runtime.sinks.snapshots.name import folder_name
from edgeclf_runtime.sorting.image_name import ImageName
from edgeclf_runtime.sorting.looking import Group, Looking
from edgeclf_runtime.sorting.pile import Moved, Pile, image_id
from edgeclf_runtime.system.native_lines import without_codec_lines
from edgeclf_runtime.web.assets import file_routes
from edgeclf_runtime.web.picture_counts import PictureCounts
from edgeclf_runtime.web.requests import application, read_list, read_text_and_list, read_texts, refusing
from edgeclf_runtime.web.server import WebServer

if TYPE_CHECKING:
    import ssl

__all__ = ["SortPage"]

_GROUPS = 20  # maximum number of groups shown at a time
_IMAGES = 500  # maximum number of images in a group; the rest follow when these are sorted
_LONGEST = 1 << 15  # maximum size of a request with the ids of this many images, in bytes
_SMALL, _LARGE = 256, 1280  # longest side of an image on the page, in pixels
_BYTES = 1 << 20
_KEPT = 1000  # maximum number of small images in memory, about 10 KB each


class SortPage:
    """Serves the page, ``/state.json``, ``/images/ID.jpg`` and the actions of the buttons.

    Args:
        pile: the images and where they go.
        looking: groups similar images.
        model: name of the model that proposes classes; empty for none.
        address, token: see ``address.listen``.
        tls: see ``WebServer``.

    Attributes:
        invitation: the address to open.

    Raises:
        SinkError: it cannot be served.
    """

    def __init__(
        self,
        pile: Pile,
        looking: Looking,
        model: str,
        address: str,
        token: str = "",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._pile, self._looking, self._model = pile, looking, model
        self._counter, self._ids = PictureCounts(), dict[str, str]()
        self._small = functools.lru_cache(_KEPT)(functools.partial(self._jpeg, side=_SMALL))
        self._server = WebServer(application([*file_routes("sort"), *self._routes()]), address, token, tls)
        self.invitation = self._server.invitation

    def close(self) -> None:
        """Stop serving."""
        self._server.close()

    def state(self) -> dict[str, Any]:
        """Return everything that the page shows: the first groups, and the classes with their numbers of images."""
        left = self._looking.refresh()
        groups = self._looking.groups()
        unreadable = self._looking.unreadable()
        classes = dict.fromkeys([*self._pile.classes(), *self._looking.proposals()])
        return {
            "folder": str(self._pile.folder),
            "photos": str(self._pile.photos),
            "model": self._model,
            "left": left,
            "missing": self._looking.missing,
            "groups": [self._shown(group) for group in groups[:_GROUPS]],
            "more": max(0, len(groups) - _GROUPS),
            "classes": [[name, self._count(name)] for name in classes],
            "unreadable": {"count": len(unreadable), "first": unreadable[0] if unreadable else ""},
        }

    def _count(self, label: str) -> int:
        return self._counter.count(self._pile.photos / folder_name(label))

    def _shown(self, group: Group) -> dict[str, Any]:
        names = group.names[:_IMAGES]
        about = [ImageName.of(name.rpartition("/")[2]) for name in names]
        moments = [each.moment for each in about if each.moment is not None]
        return {
            "id": self._id(group.leader),
            "images": [self._id(name) for name in names],
            "count": len(group.names),
            "proposal": group.proposal,
            "score": group.score,
            "familiarity": group.familiarity,
            "devices": sorted({each.device for each in about if each.device}),
            "times": [min(moments), max(moments)] if moments else None,
        }

    def _id(self, name: str) -> str:
        number = image_id(name)
        self._ids[number] = name
        return number

    def _names(self, ids: list[str]) -> list[str]:
        """Return the image names for the page's ids; an invented id has none, so no other file can be reached."""
        return [self._ids[number] for number in dict.fromkeys(ids) if number in self._ids]

    def _jpeg(self, name: str, side: int) -> bytes | None:
        with without_codec_lines():
            pixels = read_image(self._pile.path(name), min_size=side)
        return small_jpeg(pixels, side, _BYTES)

    def _routes(self) -> list[Route]:
        async def state(request: Request) -> Response:
            return JSONResponse(await asyncio.to_thread(self.state))

        async def image(request: Request) -> Response:
            name = self._ids.get(request.path_params["number"])
            if name is None:
                raise HTTPException(404, "There is no such image.")
            large = "large" in request.query_params
            read = functools.partial(self._jpeg, side=_LARGE) if large else self._small
            content = await refusing(lambda: read(name))
            if content is None:
                raise HTTPException(404, "This image cannot be shown.")
            return Response(content, media_type="image/jpeg")

        async def sort(request: Request) -> Response:
            label, ids = await read_text_and_list(request, "label", "images", _LONGEST)
            return _moved(await refusing(lambda: self._pile.sort(self._names(ids), label)))

        async def discard(request: Request) -> Response:
            ids = await read_list(request, "images", _LONGEST)
            return _moved(await refusing(lambda: self._pile.discard(self._names(ids))))

        async def undo(request: Request) -> Response:
            (number,) = await read_texts(request, "move")
            if not number.isdecimal():
                raise HTTPException(400, "Expected the number of a move.")
            return JSONResponse({"count": await refusing(lambda: self._pile.undo(int(number)))})

        posts = {"/sort": sort, "/discard": discard, "/undo": undo}
        looks = [Route("/state.json", state), Route("/images/{number}.jpg", image)]
        return [*looks, *(Route(path, endpoint, methods=["POST"]) for path, endpoint in posts.items())]


def _moved(moved: Moved) -> Response:
    return JSONResponse({"move": str(moved.number), "folder": moved.folder, "count": moved.count})
