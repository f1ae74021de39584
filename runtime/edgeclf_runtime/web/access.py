"""Control access to the pages, and set security headers on every response."""

from __future__ import annotations

import hmac
import logging
import re
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from edgeclf_runtime.web.assets import read_file

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Access"]

_log = logging.getLogger(__name__)
_QUIET = 60.0  # seconds between two log lines about internal errors
_YEAR = 365 * 24 * 3600
_OPEN = frozenset({"/page.css", "/icon.svg"})  # needed by the page that asks for the token
_KINDS = {"/photograph": "image/jpeg", "/answer": "image/jpeg"}  # content type of requests by path; JSON for all others
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_NETLOC = re.compile(r"[A-Za-z0-9._-]+(:\d+)?|\[[0-9A-Fa-f:.%a-z]+\](:\d+)?")
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = [
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]


class Access:
    """ASGI middleware that lets requests through or refuses them.

    Without a token, only pages of this machine are allowed: the Host header must be a local name, or a foreign site
    could get access by DNS rebinding. The token is sent once as ``?token=`` and then as a cookie, or as
    ``Authorization: Bearer``. Programs that can send neither, such as Home Assistant's camera, may send ``?token=``
    with every request for an image or metrics.

    Args:
        application: the protected application.
        token: required token; empty for none.
        loopback: whether the port can be reached from this machine only.
        port: part of the cookie's name, because browsers share cookies between ports.
    """

    def __init__(self, application: ASGIApp, token: str, loopback: bool, port: int) -> None:
        self._application, self._loopback = application, loopback
        self._token = _digest(token) if token else ""
        self._cookie = f"edgeclf_{port}"
        self._warned_at = -_QUIET

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        request = Request(scope, receive)
        answer = self._foreign(request) or self._stranger(request) or _wrong_type(request) or self._application
        try:
            await answer(scope, receive, guarded)
        except Exception as error:  # an internal error must not affect other requests
            if time.monotonic() - self._warned_at >= _QUIET:
                self._warned_at = time.monotonic()
                _log.error("Web page, %s: %s: %s", scope["path"], type(error).__name__, error)
            raise

    def _foreign(self, request: Request) -> Response | None:
        """Refuse requests from another site's page, or with a foreign host name."""
        host = _host(request)
        if host is None or (self._loopback and host not in _LOCAL):
            return _refusal(403, "This page can only be opened as localhost or 127.0.0.1.")
        site, mode = request.headers.get("sec-fetch-site"), request.headers.get("sec-fetch-mode")
        origin = request.headers.get("origin")
        asks = request.method not in ("GET", "HEAD") or mode != "navigate"
        if asks and (site not in (None, "none", "same-origin") or not _same(origin, request)):
            return _refusal(403, "Another site's page may not ask for this.")
        return None

    def _stranger(self, request: Request) -> Response | None:
        """Refuse requests without the token."""
        if not self._token or request.scope["path"] in _OPEN:
            return None
        given = request.query_params.get("token")
        if given is not None and request.method in ("GET", "HEAD") and self._is_token(_digest(given)):
            return self._welcome(request) if _is_page(request) else None
        kind, _, bearer = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self._is_token(_digest(bearer.strip())):
            return None
        if self._is_token(request.cookies.get(self._cookie, "")):
            return None
        headers = {"www-authenticate": "Bearer"}
        if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
            return HTMLResponse(read_file("token.html"), 401, headers)
        return _refusal(401, "This needs the token that was set, or printed at the start.", headers)

    def _is_token(self, digest: str) -> bool:
        return hmac.compare_digest(digest.encode("utf-8", "replace"), self._token.encode())

    def _welcome(self, request: Request) -> Response:
        """Store the token as a cookie and remove it from the address.

        A redirect would not work: after a click in a mail, browsers attribute it to the mail and send no cookie.
        """
        there = f'<meta http-equiv="refresh" content="0; url={_name(request)}">'
        answer = HTMLResponse(f'<!doctype html><link rel="icon" href="icon.svg">{there}')
        secure = request.scope["scheme"] == "https"
        answer.set_cookie(self._cookie, self._token, max_age=_YEAR, secure=secure, httponly=True, samesite="strict")
        return answer


def _is_page(request: Request) -> bool:
    """Whether the request is for a page rather than for an image, metrics or a stream."""
    name = request.scope["path"].rpartition("/")[2]
    return not name or name.endswith(".html")


def _digest(token: str) -> str:
    """Return the value of the cookie: a digest of fixed length, which does not reveal the token."""
    import hashlib

    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _name(request: Request) -> str:
    """Return the last part of the path, a link that works under any prefix; the page itself if it is unusual."""
    last = request.scope["path"].rpartition("/")[2]
    return f"./{last}" if last.replace(".", "").isalnum() and last.isascii() else "./"


def _host(request: Request) -> str | None:
    """Return the name or address in a valid Host header; older versions of starlette accept any."""
    host = request.headers.get("host", "")
    try:
        return urlsplit(f"//{host}").hostname if _NETLOC.fullmatch(host) else None
    except ValueError:
        return None


def _same(origin: str | None, request: Request) -> bool:
    if origin is None:
        return True
    scheme, _, netloc = origin.partition("://")
    schemes = ("https",) if request.scope["scheme"] == "https" else ("http", "https")  # a proxy may add HTTPS
    return scheme in schemes and netloc.lower() == request.headers.get("host", "").lower()


def _wrong_type(request: Request) -> Response | None:
    """Refuse changes that are not sent as JSON or JPEG, which forms of other sites cannot send."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    expected = _KINDS.get(request.scope["path"], "application/json")
    if request.method in ("GET", "HEAD") or kind == expected:
        return None
    return _refusal(415, f"Expected {expected}.")


def _refusal(status: int, text: str, headers: dict[str, Any] | None = None) -> Response:
    return JSONResponse({"error": text}, status, headers)
