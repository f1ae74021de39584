"""The surroundings of the soak: its camera, a listener at the broker, and viewers of its page."""

from __future__ import annotations

import http.client
import http.server
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tests.runtime.sources.test_rtsp import PASSWORD, Server, missing

__all__ = ["Camera", "Ear", "Lookers", "RtspCamera", "known_digits", "open_camera"]


def open_camera(kind: str, fps: float, folder: Path) -> Camera | RtspCamera:
    """Open the camera of this name, which shows the digits that the soak's model knows; RTSP needs GStreamer.

    Without familiar images all answers would be "unknown", and nothing that depends on a label would be tested.
    """
    if kind == "rtsp" and missing("rtsp"):
        raise SystemExit(
            "no RTSP server here (see tests/runtime/sources/test_rtsp.py for its packages): take --camera mjpeg"
        )
    return RtspCamera(fps, folder) if kind == "rtsp" else Camera(fps)


class RtspCamera(Server):
    """Noisy digits over RTSP with a password; can be killed and started."""

    def __init__(self, fps: float, folder: Path) -> None:
        folder.mkdir()
        for number, image in enumerate(_images()):
            (folder / f"{number:03d}.jpg").write_bytes(image)
        super().__init__("rtsp", str(round(fps)), str(folder))
        self.url = self.address("rtsp", PASSWORD)

    def stop(self) -> None:
        self.kill()


class Lookers:
    """One viewer of the live image, and one that requests the state every second; both retry if refused."""

    def __init__(self, port: int) -> None:
        self.pictures = self.states = 0
        self._port, self._over = port, threading.Event()
        for look in (self._watch, self._ask):
            threading.Thread(target=self._again, args=(look,), daemon=True).start()

    def _again(self, look: Any) -> None:
        while not self._over.wait(1.0):
            with suppress(OSError, http.client.HTTPException):
                look()

    def _watch(self) -> None:
        answer = self._get("/live")
        while not self._over.is_set() and answer.read(65536):
            self.pictures += 1

    def _ask(self) -> None:
        self.states += b"frames" in self._get("/state.json").read()

    def _get(self, path: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        connection.request("GET", path)
        return connection.getresponse()

    def close(self) -> None:
        self._over.set()


class Camera:
    """Motion JPEG over HTTP, noisy digits; can be stopped and started."""

    def __init__(self, fps: float) -> None:
        self._images, self._pause = _images(), 1 / fps
        self.port = 0
        self.start()
        self.url = f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        stopped, images, pause = threading.Event(), self._images, self._pause

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                number, begun = 0, time.monotonic()
                while not stopped.wait(max(0.0, begun + number * pause - time.monotonic())):
                    data = images[number % len(images)]
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                    try:
                        self.wfile.write(head.encode() + data + b"\r\n")
                    except OSError:
                        return
                    number += 1

            def log_message(self, format: str, *args: object) -> None:
                """Log nothing."""

        self._stopped = stopped
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()


def _images() -> list[bytes]:
    """Return noisy images of the digits 0 to 2, twenty of each in turn and each different from the last."""
    rng = np.random.default_rng(0)
    images = []
    for pixels in (image for row in zip(*known_digits().values(), strict=True) for image in row):
        pixels = cv2.resize(pixels, (240, 240)).astype(np.int16)
        noisy = np.clip(pixels + rng.integers(-9, 10, pixels.shape), 0, 255).astype(np.uint8)
        images.append(cv2.imencode(".jpg", noisy)[1].tobytes())
    return images


def known_digits() -> dict[int, list[Any]]:
    """Return the twenty images (BGR) of each of the three digits that the soak's model is trained with."""
    from sklearn.datasets import load_digits

    from edgeclf.demo import digit_picture

    data = load_digits()
    rows = {digit: np.flatnonzero(data.target == digit)[:20] for digit in range(3)}
    return {digit: [digit_picture(data.images[row])[:, :, ::-1] for row in rows[digit]] for digit in rows}


class Ear:
    """Records whether anything was published to the broker since ``again``."""

    def __init__(self, port: int) -> None:
        from paho.mqtt import client as mqtt

        self.online, self.messages, self.pictures = threading.Event(), 0, 0
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe("edgeclf/soak/#", qos=1)
        self._client.on_message = self._heard
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _heard(self, client: Any, data: Any, message: Any) -> None:
        self.messages += 1
        self.pictures += message.topic.endswith("/picture") and len(message.payload) > 0
        if message.topic.endswith("/available") and message.payload == b"online":
            self.online.set()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
