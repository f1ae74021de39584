"""Static files of the pages: HTML, CSS and JavaScript, all in this package."""

from __future__ import annotations

import functools
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

__all__ = ["file_routes", "read_file"]

_KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_SCRIPTS = {
    "zones": ("zones.js", "zone_editor.js", "zone_shapes.js"),
    "preview": ("preview.js", "history.js", "unsorted.js"),
    "sort": ("sort.js", "group.js"),
    "capture": ("capture.js", "capture_zones.js", "camera.js", "recent.js", "lesson.js"),
}


_SHARED = ("live.js", "bars.js", "page.css", "icon.svg")


@functools.cache
def read_file(name: str) -> bytes:
    """Return the content of a static file."""
    return (resources.files("edgeclf_runtime.web") / "static" / name).read_bytes()


def file_routes(page: str) -> list[Route]:
    """Return the routes that serve a page.

    Args:
        page: "preview", "zones", "sort" or "capture": its HTML at the root and the files it loads, and nothing else.
    """
    names = {"/": f"{page}.html", **{f"/{name}": name for name in (*_SCRIPTS[page], *_SHARED)}}
    return [Route(path, functools.partial(_serve, name)) for path, name in names.items()]


async def _serve(name: str, request: Request) -> Response:
    kind = _KINDS[name.rpartition(".")[2]]
    return Response(read_file(name), media_type=f"{kind}; charset=utf-8")
