"""Pass a service's frames and answers to another process on this machine, which tries a new model on them.

A client connects to the socket ``frames.sock`` in the service's state folder, gets a line of JSON, and requests each
frame with a line that contains its figures so far. It gets a line of JSON with the answer, and the image's bytes.
"""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from edgeclf_runtime.sinks.keys import Opening, SinkKeys
from edgeclf_runtime.sinks.sink import Item, ModelState, Observation, Sink, ZoneName
from edgeclf_runtime.system.local_socket import listening
from edgeclf_runtime.system.state_folder import service_folder

if TYPE_CHECKING:
    from edgeclf_runtime.sinks.outlet import Outlet

__all__ = ["FIGURES", "SOCKET", "FrameTap", "FrameTapKeys", "shadow_figures"]

SOCKET = "frames.sock"
"""Name of the socket in the state folder."""

FIGURES = ("frames", "same", "agreement", "seconds", "milliseconds")
"""What a client says of the new model so far; see ``shadow.agreement.Agreement.figures``."""

_log = logging.getLogger(__name__)
_SEND = 10.0  # seconds; a client that takes longer for a frame is disconnected
_LOOK = 0.5  # seconds between two checks that a client is still there
_LINE = 4096  # maximum size of a request in bytes
_KEPT = 512  # number of answers whose times give the usual rate


@dataclass(frozen=True)
class FrameTapKeys(SinkKeys):
    """Offered by every service; there is nothing to configure."""

    def open(self, run: Opening) -> Iterator[Sink]:
        folder = service_folder()
        if folder is not None and not run.zone.zone:  # one for all zones
            try:
                yield FrameTap(folder / SOCKET)
            except OSError as error:  # the service works without it
                _log.warning("%s: %s; no new model can be tried beside this one.", folder / SOCKET, error.strerror)


class FrameTap:
    """Serves one client at a time. Only a zone's newest frame waits, so a slow or hanging client delays nothing.

    Args:
        path: path of the socket.

    Attributes:
        figures: the client's figures so far, named as in ``FIGURES``; empty without a client.

    Raises:
        OSError: the socket cannot be created.
    """

    pictures = True

    def __init__(self, path: Path) -> None:
        self.name = f"frames {path}"
        self._changed = threading.Condition()
        self._waiting: dict[ZoneName, Observation] = {}
        self._moments = deque[float](maxlen=_KEPT)
        self._count = self._models = 0
        self._has_client = self._closing = False
        self.figures: dict[str, float] = {}
        self._server = listening(path)
        threading.Thread(target=self._accept, name="frames", daemon=True).start()

    def take(self, item: Item) -> None:
        with self._changed:
            if isinstance(item, Observation):
                self._count += 1
                self._moments.append(time.monotonic())
                if self._has_client:
                    self._waiting[item.zone] = item
            elif isinstance(item, ModelState) and item.name == "adopted":
                self._models += 1
            self._changed.notify_all()

    def _accept(self) -> None:
        while not self._closing:
            try:
                client, _ = self._server.accept()
            except OSError:  # it was closed
                return
            with closing(client), suppress(OSError):
                self._serve(client)
            with self._changed:
                self._has_client, self.figures = False, {}
                self._waiting.clear()

    def _serve(self, client: socket.socket) -> None:
        with self._changed:
            self._has_client, model = True, self._models
            rate = _rate(self._moments)
        client.sendall(_line({"format": 1, "rate": rate}))
        with client.makefile("rb") as requests:
            while (figures := _figures(requests)) is not None:
                self.figures = figures
                item = self._next(client, model)
                if item is None:
                    return
                client.settimeout(_SEND)
                _send(client, item, self._count)
                client.settimeout(None)

    def _next(self, client: socket.socket, model: int) -> Observation | None:
        """Wait for a frame; None if the client has gone, the model was replaced, or the run ends."""
        with self._changed:
            while not self._waiting:
                self._changed.wait(_LOOK)
                if self._closing or self._models != model or _is_gone(client):
                    return None
            return self._waiting.pop(next(iter(self._waiting)))  # of the zone that has waited longest

    def close(self) -> None:
        """Disconnect the client."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


def shadow_figures(outlets: Sequence[Outlet]) -> dict[str, float]:
    """Return the figures of the trial of a new model; empty if there is none."""
    sinks = [outlet.sink for outlet in list(outlets)]
    return next((dict(sink.figures) for sink in sinks if isinstance(sink, FrameTap)), {})


def _rate(moments: deque[float]) -> float:
    """Return the answers per second; 0 if unknown."""
    span = moments[-1] - moments[0] if moments else 0.0
    return (len(moments) - 1) / span if span else 0.0


def _figures(requests: IO[bytes]) -> dict[str, float] | None:
    """Return the figures in the next request; None if there is none."""
    line = requests.readline(_LINE)
    try:
        content = json.loads(line)
    except ValueError:
        return None
    if not isinstance(content, Mapping):
        return None
    numbers = {name: content.get(name) for name in FIGURES}
    return {name: float(value) for name, value in numbers.items() if isinstance(value, (int, float))}


def _is_gone(client: socket.socket) -> bool:
    try:
        return client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _send(client: socket.socket, item: Observation, count: int) -> None:
    frame, decision = item.prediction.frame, item.decision
    assert frame is not None  # this sink needs pixels
    pixels = np.ascontiguousarray(frame.pixels)
    jpeg, spent = frame.jpeg or frame.unturned or b"", item.prediction.milliseconds
    about: dict[str, Any] = {
        "zone": item.zone,
        "count": count,
        "label": decision.label,
        "score": decision.score,
        "refused": decision.refused,
        "milliseconds": sum(value for stage, value in spent.items() if stage != "capture"),
        "time": frame.time,
        "film_time": frame.film_time,
        "number": frame.number,
        "source": frame.source,
        "view": asdict(frame.view),
        "min_size": frame.min_size,
        "shape": pixels.shape,
        "jpeg": len(jpeg),
        "is_turned": frame.jpeg is None,
    }
    client.sendall(_line(about))
    client.sendall(pixels.data)
    client.sendall(jpeg)


def _line(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content).encode() + b"\n"
