"""What a page's requests carry, and answers to those that are wrong."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

__all__ = ["application", "read_file_content", "read_list", "read_texts"]

_LONGEST = 4096  # bytes of a request's body
_LONGEST_LIST = 8192  # the same with a list: the names of all images that a page shows
_PATIENCE = 10.0  # seconds for it to come
_LATE = "The request did not come to its end."
_LONG = "Expected at most {} bytes."


def application(routes: list[Route]) -> Starlette:
    """An application whose mistakes are answered as ``{"error": SENTENCE}``."""
    return Starlette(routes=routes, exception_handlers={HTTPException: _refused})


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def read_texts(request: Request, *names: str) -> list[str]:
    """The texts of these names in the JSON object that was sent.

    Raises:
        HTTPException: 400, 408 or 413: no such object, not in time, or too long.
    """
    body = await _json(request, _LONGEST)
    values = [body.get(name) for name in names] if isinstance(body, dict) else []
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) != len(names):
        raise HTTPException(400, f"Expected a JSON object of texts: {', '.join(names)}.")
    return texts


async def read_list(request: Request, name: str) -> list[str]:
    """The list of texts of this name, one at least, in the JSON object that was sent.

    Raises:
        HTTPException: as ``read_texts``.
    """
    body = await _json(request, _LONGEST_LIST)
    values = body.get(name) if isinstance(body, dict) else None
    if not isinstance(values, list) or not values or not all(isinstance(value, str) for value in values):
        raise HTTPException(400, f"Expected a JSON object with a list of texts: {name}.")
    return values


async def read_file_content(request: Request, longest: int, patience: float) -> bytes:
    """A file that was sent as it is.

    Raises:
        HTTPException: 400, 408 or 413: cut off, not in ``patience`` seconds, or of more than ``longest`` bytes.
    """
    if int(request.headers.get("content-length", "0")) > longest:  # before it is sent
        raise HTTPException(413, _LONG.format(longest))
    try:
        return await asyncio.wait_for(_body(request, longest), patience)
    except asyncio.TimeoutError:
        raise HTTPException(408, _LATE) from None
    except ClientDisconnect:
        raise HTTPException(400, _LATE) from None


async def _json(request: Request, longest: int) -> Any:
    try:
        return json.loads(await asyncio.wait_for(_body(request, longest), _PATIENCE))
    except asyncio.TimeoutError:
        raise HTTPException(408, _LATE) from None
    except (ValueError, RecursionError, ClientDisconnect):
        raise HTTPException(400, "Expected a JSON object.") from None


async def _body(request: Request, longest: int) -> bytes:
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > longest:
            raise HTTPException(413, _LONG.format(longest))
    return bytes(content)
