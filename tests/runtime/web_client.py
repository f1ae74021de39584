"""A client of the page: one request, or a viewer of the stream."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import struct
from typing import Any, Protocol

__all__ = ["JSON", "TOKEN", "Served", "Viewer", "ask", "port", "sentence"]

TOKEN = "a-token-of-the-tests"
JSON = {"Content-Type": "application/json"}


class Page(Protocol):
    """The interface of what serves a page."""

    @property
    def invitation(self) -> str: ...


class Served:
    """A page served by a separate process, by the address that it prints."""

    def __init__(self, invitation: str) -> None:
        self.invitation = invitation


def port(page: Page) -> int:
    return int(page.invitation.partition("/?")[0].rstrip("/").rpartition(":")[2])


def ask(
    sink: Page,
    path: str,
    body: object = None,
    headers: dict[str, str] | None = None,
    method: str = "",
    tls: ssl.SSLContext | None = None,
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = (
        http.client.HTTPSConnection("127.0.0.1", port(sink), timeout=20, context=tls)
        if tls
        else http.client.HTTPConnection("127.0.0.1", port(sink), timeout=20)
    )
    content = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {**(JSON if body is not None else {}), **(headers or {})}
    connection.request(method or ("GET" if body is None else "POST"), path, content, sent)
    answer = connection.getresponse()
    told = answer.status, answer.headers, answer.read()
    connection.close()
    return told


def sentence(told: tuple[int, http.client.HTTPMessage, bytes]) -> str:
    return str(json.loads(told[2])["error"])


class Viewer:
    """Reads the stream, or does not."""

    def __init__(self, page: Page, path: str = "/live") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port(page)), timeout=20)
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        self.answer = http.client.HTTPResponse(self.socket)

    def begin(self) -> int:
        self.answer.begin()
        return self.answer.status

    def message(self) -> tuple[dict[str, Any], bytes]:
        told, image = self._part(), self._part()
        return json.loads(told), image

    def _part(self) -> bytes:
        (size,) = struct.unpack(">I", self.answer.read(4))
        return self.answer.read(size)

    def close(self) -> None:
        self.answer.close()
        self.socket.close()
