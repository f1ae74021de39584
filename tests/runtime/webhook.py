"""A receiver of webhook calls."""

from __future__ import annotations

import email
import email.policy
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from typing import Any

__all__ = ["Webhook", "webhook"]


class Webhook:
    """The calls received, and how they are answered.

    Attributes:
        address: the address to call.
        calls: headers and JSON of each call, including failed ones.
        pictures: the JPEG of each call; None if it had none.
        failures: number of following calls to answer with 503.
        answers: an event; while it is cleared, calls wait.
    """

    def __init__(self, address: str) -> None:
        self.address, self.failures = address, 0
        self.calls: list[tuple[dict[str, str], Any]] = []
        self.pictures: list[bytes | None] = []
        self.answers = threading.Event()
        self.answers.set()

    def answer(self, headers: dict[str, str], body: Any) -> int:
        """Return the status for a call."""
        self.calls.append((headers, body))
        if self.failures:
            self.failures -= 1
            return 503
        self.answers.wait(30)
        return 204


def _event(headers: Message, content: bytes) -> tuple[Any, bytes | None]:
    """Return the JSON and the JPEG of a form, or the JSON alone."""
    if headers.get_content_type() != "multipart/form-data":
        return json.loads(content), None
    head = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode()
    form = email.message_from_bytes(head + content, policy=email.policy.HTTP)
    parts = {part.get_param("name", header="Content-Disposition"): part for part in form.iter_parts()}
    assert parts["event"].get_content_type() == "application/json"
    picture = parts.get("picture")
    if picture is not None:
        assert (picture.get_content_type(), picture.get_filename()) == ("image/jpeg", "seen.jpg")
    return json.loads(parts["event"].get_content()), None if picture is None else picture.get_content()


@contextmanager
def webhook() -> Iterator[Webhook]:
    """Serve one on this machine."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body, picture = _event(self.headers, self.rfile.read(int(self.headers["Content-Length"])))
            hook.pictures.append(picture)
            self.send_response(hook.answer(dict(self.headers), body))
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hook = Webhook(f"http://127.0.0.1:{server.server_address[1]}/in?key=secret")
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield hook
        server.shutdown()
