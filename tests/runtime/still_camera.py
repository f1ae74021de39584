"""A camera on this machine that gives a new image for each request, over HTTP or TLS, with a password."""

from __future__ import annotations

import base64
import functools
import hashlib
import http.server
import re
import ssl
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

USER, PASSWORD = "viewer", "pass/w?rd#@1"
SIZE = (64, 48)


class StillCamera:
    """Serves in threads of this process until ``close``.

    Args:
        image: returns the file for the request of a number; by default noise.

    Attributes:
        requests: path and Authorization of each request.
        connections: number of connections opened.
    """

    def __init__(
        self,
        auth: str = "",
        tls: tuple[Path, Path] | None = None,
        kind: str = "image/jpeg",
        image: Callable[[int], bytes] | None = None,
    ) -> None:
        self.requests: list[tuple[str, str | None]] = []
        self.connections = 0
        self._given = image or functools.partial(_image, kind=kind)
        camera = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                camera.connections += 1
                super().setup()

            def do_GET(self) -> None:
                given = self.headers.get("Authorization")
                camera.requests.append((self.path, given))
                allowed = not auth or _allowed(auth, given, self.path)
                body = camera._given(len(camera.requests)) if allowed else b"no"
                self.send_response(200 if allowed else 401)
                if not allowed:
                    more = ', nonce="abc", qop="auth", algorithm=MD5' if auth == "Digest" else ""
                    self.send_header("WWW-Authenticate", f'{auth} realm="camera"{more}')
                self.send_header("Content-Type", kind if allowed else "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Log nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*map(str, tls))
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _image(number: int, kind: str) -> bytes:
    if not kind.startswith("image/"):
        return b"<html>a page</html>"
    pixels = np.random.default_rng(number).integers(0, 255, (SIZE[1], SIZE[0], 3), np.uint8)
    return cv2.imencode("." + kind.partition("/")[2], pixels)[1].tobytes()


def _allowed(auth: str, given: str | None, path: str) -> bool:
    if auth == "Basic":
        return given == "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    told = dict(re.findall(r'(\w+)="?([^",]*)"?', given or ""))
    if told.get("uri") != path:
        return False
    first, second = _md5(f"{USER}:camera:{PASSWORD}"), _md5(f"GET:{path}")
    return told.get("response") == _md5(f"{first}:abc:{told.get('nc')}:{told.get('cnonce')}:auth:{second}")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def certificate(folder: Path, name: str = "127.0.0.1") -> tuple[Path, Path]:
    """Return a self-signed certificate for an address, and its key."""
    found = folder / "certificate.pem", folder / "key.pem"
    kind = "IP" if name[0].isdigit() else "DNS"
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=camera"]
    more = ["-addext", f"subjectAltName={kind}:{name}", "-out", str(found[0]), "-keyout", str(found[1])]
    subprocess.run(["openssl", *words, *more], check=True, capture_output=True)
    return found
