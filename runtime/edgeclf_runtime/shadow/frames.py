"""The frames and answers of a service, received from ``sinks.frame_tap``."""

from __future__ import annotations

import json
import math
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeclf_runtime.errors import ServiceError
from edgeclf_runtime.frame import Frame
from edgeclf_runtime.pictures.view import View
from edgeclf_runtime.sinks.frame_tap import SOCKET
from edgeclf_runtime.sinks.sink import ZoneName
from edgeclf_runtime.system.local_socket import connected

__all__ = ["Answer", "Frames", "Seen"]

_LINE = 1 << 16
_MOST = 1 << 29  # maximum size of an image in bytes


@dataclass(frozen=True)
class Answer:
    """A model's answer to a frame.

    Attributes:
        label: the label, or ``a|b`` with several labels; "unknown" if it is ``refused``.
        score: its score.
        refused: whether there is no answer.
        milliseconds: processing time of the frame.
    """

    label: str
    score: float
    refused: bool
    milliseconds: float


@dataclass(frozen=True)
class Seen:
    """A frame, its zone, the service's answer, and the number of frames that the service has answered so far."""

    frame: Frame
    zone: ZoneName
    answer: Answer
    count: int


class Frames:
    """Frames of a service, until the context ends.

    Args:
        state: the service's state folder.

    Attributes:
        rate: answers per second that the service gave before.

    Raises:
        ServiceError: there is no service, or it has an older version.
    """

    def __init__(self, state: Path) -> None:
        self._begun = time.monotonic()
        try:
            self._socket = connected(state / SOCKET)
        except OSError as error:
            raise ServiceError(
                f"{state / SOCKET}: {error.strerror}: no service runs there, or its version is too old to compare "
                "with; deploy once without --shadow."
            ) from None
        self._file = self._socket.makefile("rb")
        self._socket.settimeout(60)
        self.rate = float(self._object()["rate"])

    def next(self, figures: dict[str, float], seconds: float) -> Seen | None:
        """Return the next frame; None if none comes within ``seconds``.

        Args:
            figures: figures of the comparison so far, which the service shows.
            seconds: maximum time to wait.

        Raises:
            ServiceError: the service ended, or uses another model.
        """
        if seconds <= 0:
            return None
        self._socket.settimeout(seconds)
        try:
            self._socket.sendall(json.dumps(figures).encode() + b"\n")
            about = self._object()
            self._socket.settimeout(60)
            return self._seen(about)
        except socket.timeout:  # a different error from TimeoutError until Python 3.10
            return None
        except OSError as error:
            raise self._ended(error.strerror or str(error)) from None

    def _object(self) -> dict[str, Any]:
        line = self._file.readline(_LINE)
        if not line.endswith(b"\n"):
            raise self._ended()
        content: dict[str, Any] = json.loads(line)
        return content

    def _ended(self, why: str = "") -> ServiceError:
        after = f"after {time.monotonic() - self._begun:.0f} s"
        return ServiceError(f"the service ended or switched to another model {after}{f' ({why})' if why else ''}.")

    def _seen(self, about: dict[str, Any]) -> Seen:
        shape = tuple(map(int, about["shape"]))
        pixels = np.frombuffer(self._bytes(math.prod(shape)), np.uint8).reshape(shape)
        data = self._bytes(int(about["jpeg"])) or None
        view = about["view"]
        frame = Frame(
            pixels,
            about["time"],
            about["number"],
            about["source"],
            jpeg=None if about["is_turned"] else data,
            film_time=about["film_time"],
            view=View(tuple(view["region"]), view["rotate"], view["flip"], tuple(map(tuple, view["polygon"]))),
            unturned=data if about["is_turned"] else None,
            min_size=tuple(about["min_size"]),
        )
        answer = Answer(about["label"], about["score"], about["refused"], about["milliseconds"])
        return Seen(frame, ZoneName(*about["zone"]), answer, about["count"])

    def _bytes(self, size: int) -> bytes:
        data = self._file.read(size) if 0 <= size <= _MOST else b""
        if len(data) != size:
            raise self._ended()
        return data

    def __enter__(self) -> Frames:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
        self._socket.close()
