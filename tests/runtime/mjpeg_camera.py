"""A network camera that sends JPEGs over HTTP: python3 mjpeg_camera.py PORT USER PASSWORD."""

from __future__ import annotations

import base64
import http.server
import sys
import time

import cv2
import numpy as np


class _Camera(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.headers.get("Authorization") != f"Basic {base64.b64encode(':'.join(sys.argv[2:]).encode()).decode()}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        number = 0
        while True:
            picture = np.roll(np.tile(np.arange(256, dtype=np.uint8)[None, :, None], (240, 1, 3)), 3 * number, axis=1)
            data = cv2.imencode(".jpg", picture)[1].tobytes()
            self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data))
            self.wfile.write(data + b"\r\n")
            number += 1
            time.sleep(1 / 15)

    def log_message(self, format: str, *args: object) -> None:
        """No lines about requests."""


with http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), _Camera) as server:
    print("ready", flush=True)
    server.serve_forever()
