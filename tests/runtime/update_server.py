"""A web server over HTTPS for a folder with updates, which can misbehave."""

from __future__ import annotations

import http.server
import json
import os
import ssl
import threading
from pathlib import Path

from edgeclf_runtime.trust.sealing import sealed_digest
from tests.signing import edgeclf

__all__ = ["UpdateServer", "publish", "update_settings"]


class UpdateServer:
    """Serves a folder, with tags and ranges, with the certificate of ``still_camera.certificate``.

    Attributes:
        fault: "", or the fault of all files but the offer: "cut" after 10 kB, "rubbish" of the same length, "endless"
            zeros; or "endless offer".
        asked: for each request its path, the first byte requested, and the status of the answer.
        sent: number of bytes of bodies written.
    """

    def __init__(self, folder: Path, certificate: Path) -> None:
        self.fault, self.sent = "", 0
        self.asked: list[tuple[str, int, int]] = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path = folder / self.path.strip("/")
                content = path.read_bytes() if path.is_file() else b""
                tag = f'"{hash(content)}"'
                first = int(self.headers.get("Range", "bytes=0-")[6:].rstrip("-"))
                status = 206 if first else 200
                if not path.is_file() or first >= len(content):
                    status, content = (416 if first else 404), b""
                elif self.headers.get("If-None-Match") == tag:
                    status, content = 304, b""
                server.asked.append((self.path.strip("/"), first, status))
                is_meant = (path.suffix != ".json") != (server.fault == "endless offer")
                fault = server.fault.partition(" ")[0] if is_meant else ""
                body = os.urandom(len(content)) if fault == "rubbish" else content
                self.send_response(status)
                self.send_header("ETag", tag)
                if status == 206:
                    self.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
                if fault != "endless":
                    self.send_header("Content-Length", str(len(body[first:])))
                else:
                    self.close_connection = True
                self.end_headers()
                try:
                    self._send(body[first:], fault)
                except OSError:  # the device has closed the connection
                    self.close_connection = True

            def _send(self, body: bytes, fault: str) -> None:
                if fault == "cut":
                    body, self.close_connection = body[:10_000], True
                if fault != "endless":
                    self.wfile.write(body)
                while fault == "endless":
                    self.wfile.write(bytes(1 << 16))
                    server.sent += 1 << 16

            def log_message(self, format: str, *args: object) -> None:
                """Log nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(str(certificate / "certificate.pem"), str(certificate / "key.pem"))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self._server.server_address[1]
        self.address = f"https://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def firsts(self, name: str) -> list[int]:
        """Return the first bytes requested of a file."""
        return [first for path, first, _ in self.asked if path == name]

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


def update_settings(port: int, keys: Path, every: float) -> str:
    """Return settings of a device that checks for updates at this port; keys and certificate are in a folder."""
    settings = {
        "update": f"https://127.0.0.1:{port}",
        "update_every": every,
        "update_ca": f"{keys}/certificate.pem",
        "trusted_key": f"{keys}/mine.pub",
    }
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())


def publish(model: Path, folder: Path, key: Path) -> str:
    """Publish a model and return the name of its file."""
    edgeclf("publish", model, folder, "--key", key)
    return f"{sealed_digest(model.read_bytes())}.tflite"
