"""Serve Motion JPEG over HTTP with a password: mjpeg_server.py PORT; the address is /camera."""

from __future__ import annotations

import base64
import http.server
import sys
import time

import cv2
import numpy as np

USER, PASSWORD = "viewer", "s3cret-of-the-camera"


class _Camera(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != wanted:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            return self.end_headers()
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        noise = np.random.default_rng()
        while True:
            data = cv2.imencode(".jpg", noise.integers(0, 255, (240, 320, 3), np.uint8))[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            try:
                self.wfile.write(head.encode() + data + b"\r\n")
            except OSError:
                return
            time.sleep(0.05)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


if __name__ == "__main__":
    with http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), _Camera) as server:
        print("ready", flush=True)
        server.serve_forever()
