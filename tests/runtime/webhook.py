"""What receives a webhook's calls."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Webhook", "webhook"]


class Webhook:
    """Calls that came, and how they are answered.

    Attributes:
        address: to call.
        calls: headers and JSON of each, also of those that failed.
        failures: so many of the next are answered with 503.
        answers: an event; cleared, calls wait.
    """

    def __init__(self, address: str) -> None:
        self.address, self.failures = address, 0
        self.calls: list[tuple[dict[str, str], Any]] = []
        self.answers = threading.Event()
        self.answers.set()

    def answer(self, headers: dict[str, str], body: Any) -> int:
        """The status for a call."""
        self.calls.append((headers, body))
        if self.failures:
            self.failures -= 1
            return 503
        self.answers.wait(30)
        return 204


@contextmanager
def webhook() -> Iterator[Webhook]:
    """Serve one on this machine."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(hook.answer(dict(self.headers), body))
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hook = Webhook(f"http://127.0.0.1:{server.server_address[1]}/in?key=secret")
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield hook
        server.shutdown()
