"""HTTP cameras: single images, requested again and again, or a stream of JPEGs."""

from __future__ import annotations

import http.client
import threading
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.errors import SourceError
from edgeclf_runtime.pictures.images import decode_image
from edgeclf_runtime.sources.jpeg_stream import take_jpeg
from edgeclf_runtime.sources.network.http_client import HttpClient

__all__ = ["JpegStream", "Snapshots"]

_LARGEST = 32 * 1024 * 1024  # most bytes of one image
_LONGEST = 10.0  # most seconds for one image
_CHUNK = 65_536


class Snapshots:
    """A camera that answers each request with one image.

    Args:
        client: sends the requests.
        first: the first answer, not yet read.
        interval: seconds from one request to the next.
        closing: set to stop.
    """

    def __init__(
        self, client: HttpClient, first: http.client.HTTPResponse, interval: float, closing: threading.Event
    ) -> None:
        self.description, self.interval = client.shown, interval
        self._client, self._closing = client, closing
        self._due = time.monotonic()
        self._asked: http.client.HTTPResponse | None = first

    def read(self) -> Any:
        self._closing.wait(max(0.0, self._due - time.monotonic()))
        self._due = max(time.monotonic(), self._due + self.interval)
        try:
            answer, self._asked = self._asked or self._client.get(), None
            data = self._body(answer)
        except (OSError, http.client.HTTPException) as error:
            raise SourceError(f"{self.description}: lost ({error or 'no answer'}).") from None
        return np.frombuffer(data, np.uint8)[np.newaxis]

    def _body(self, answer: http.client.HTTPResponse) -> bytes:
        until, data = time.monotonic() + _LONGEST, bytearray()
        while chunk := answer.read1(_CHUNK):
            data += chunk
            if len(data) > _LARGEST or time.monotonic() > until:
                raise SourceError(f"{self.description}: an image of more than 32 MB, or one that takes over 10 s.")
        if not data or (answer.length or 0) > 0:
            raise SourceError(f"{self.description}: a truncated image.")
        answer.close()  # read to its end, so the connection stays open
        return bytes(data)

    def rgb(self, picture: Any) -> npt.NDArray[np.uint8]:
        return decode_image(picture.tobytes(), self.description)  # PNG, WebP...

    def close(self) -> None:
        self._client.close()


class JpegStream:
    """A camera with one endless answer: JPEGs, one after the other (``multipart/x-mixed-replace``)."""

    interval = 0.0

    def __init__(self, client: HttpClient, answer: http.client.HTTPResponse) -> None:
        self.description = client.shown
        self._client, self._answer, self._data = client, answer, bytearray()

    def read(self) -> Any:
        until = time.monotonic() + _LONGEST
        while (picture := take_jpeg(self._data, self.description)) is None:
            if time.monotonic() > until:
                raise SourceError(f"{self.description}: no whole JPEG in {_LONGEST:.0f} s.")
            try:
                chunk = self._answer.read1(_CHUNK)
            except (OSError, http.client.HTTPException) as error:
                raise SourceError(f"{self.description}: lost ({error or 'no answer'}).") from None
            if not chunk:
                raise SourceError(
                    f"{self.description}: lost. Check its cable, network or whether another program uses it."
                )
            self._data += chunk
        return np.frombuffer(picture, np.uint8)[np.newaxis]

    def rgb(self, picture: Any) -> npt.NDArray[np.uint8]:
        raise NotImplementedError  # all are JPEGs

    def close(self) -> None:
        self._answer.close()
        self._client.close()
