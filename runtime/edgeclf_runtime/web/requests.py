"""Read the content of requests, and answer invalid ones."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edgeclf_runtime.errors import EdgeclfError, UsageError

__all__ = [
    "application",
    "read_file_content",
    "read_list",
    "read_object",
    "read_text_and_list",
    "read_texts",
    "refusing",
]

_LONGEST = 4096  # maximum size of a request's body in bytes
_LONGEST_LIST = 8192  # maximum size with a list, such as the names of all images on a page
_PATIENCE = 10.0  # seconds for a body to arrive
_LATE = "The request is incomplete."
_LONG = "Expected at most {} bytes."
_NO_OBJECT = "Expected a JSON object."


def application(routes: list[Route]) -> Starlette:
    """Return an application that answers errors with ``{"error": SENTENCE}``."""
    return Starlette(routes=routes, exception_handlers={HTTPException: _refused})


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def read_texts(request: Request, *names: str) -> list[str]:
    """Read these strings from the JSON object in a request.

    Raises:
        HTTPException: 400, 408 or 413: not such an object, not in time, or too long.
    """
    body = await _json(request, _LONGEST)
    values = [body.get(name) for name in names] if isinstance(body, dict) else []
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) != len(names):
        raise HTTPException(400, f"Expected a JSON object of texts: {', '.join(names)}.")
    return texts


async def read_list(request: Request, name: str, longest: int = _LONGEST_LIST) -> list[str]:
    """Read a non-empty list of strings from the JSON object in a request, of at most ``longest`` bytes.

    Raises:
        HTTPException: as ``read_texts``.
    """
    body = await _json(request, longest)
    values = body.get(name) if isinstance(body, dict) else None
    if not isinstance(values, list) or not values or not all(isinstance(value, str) for value in values):
        raise HTTPException(400, f"Expected a JSON object with a list of texts: {name}.")
    return values


async def read_object(request: Request, longest: int) -> dict[str, Any]:
    """Read a JSON object of at most ``longest`` bytes from a request.

    Raises:
        HTTPException: as ``read_texts``.
    """
    body = await _json(request, longest)
    if not isinstance(body, dict):
        raise HTTPException(400, _NO_OBJECT)
    return body


async def read_text_and_list(request: Request, text: str, texts: str, longest: int) -> tuple[str, list[str]]:
    """Read a string and a non-empty list of strings from the JSON object in a request, of at most ``longest`` bytes.

    Raises:
        HTTPException: as ``read_texts``.
    """
    body = await _json(request, longest)
    value, values = (body.get(text), body.get(texts)) if isinstance(body, dict) else (None, None)
    if not isinstance(value, str) or not isinstance(values, list) or not values:
        raise HTTPException(400, f"Expected a JSON object with a text and a list of texts: {text}, {texts}.")
    if not all(isinstance(each, str) for each in values):
        raise HTTPException(400, f"Expected a list of texts: {texts}.")
    return value, values


async def read_file_content(request: Request, longest: int, patience: float) -> bytes:
    """Read a file that is the body of a request.

    Raises:
        HTTPException: 400, 408 or 413: truncated, not within ``patience`` seconds, or more than ``longest`` bytes.
    """
    if int(request.headers.get("content-length", "0")) > longest:  # refuse before it is sent
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
        raise HTTPException(400, _NO_OBJECT) from None


async def _body(request: Request, longest: int) -> bytes:
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > longest:
            raise HTTPException(413, _LONG.format(longest))
    return bytes(content)


async def refusing(work: Callable[[], Any]) -> Any:
    """Run a function in a thread; pass its refusal on to the browser."""
    try:
        return await asyncio.to_thread(work)
    except UsageError as error:
        raise HTTPException(400, str(error)) from None
    except EdgeclfError as error:
        raise HTTPException(409, str(error)) from None
    except OSError as error:
        raise HTTPException(409, f"{error.filename}: {error.strerror}.") from None
