"""A network camera as a source: a stream, or single images."""

from __future__ import annotations

import functools
import http.client
import threading

from edgeclf_runtime.errors import SourceError
from edgeclf_runtime.pictures.opencv import quiet
from edgeclf_runtime.sources.connection import Capture, OpenCVCapture
from edgeclf_runtime.sources.live import LiveSource
from edgeclf_runtime.sources.network.address import check_address, without_password
from edgeclf_runtime.sources.request import Request
from edgeclf_runtime.sources.source import SourceOptions, StateListener

__all__ = ["open_request", "open_stream", "without_password"]

_OPEN_MS = 10_000
_READ_MS = 5_000
_BACKLOG = 1.0  # seconds during which an RTSP server sends its stored frames
_INTERVAL = 1.0  # default seconds between two requests to a camera that answers with one image
_PATIENCE = 60.0


def open_request(request: Request) -> LiveSource:
    """Open an address."""
    return open_stream(request.text, request.options, request.listener)


def open_stream(address: str, options: SourceOptions, listener: StateListener | None = None) -> LiveSource:
    """Connect to an rtsp, rtsps, http or https address.

    The answer of an http address decides: a single image is requested again at ``options.fps``, a stream of JPEGs is
    read as it comes, and FFmpeg reads anything else. Certificates are verified before a password is sent, unless
    ``options.insecure`` is set.

    Args:
        address: of the stream.
        options, listener: see ``LiveSource``.

    Raises:
        SourceError: the address is ambiguous, does not answer within 10 s, or does not answer with video.
    """
    check_address(address)
    scheme, _, rest = address.partition("://")
    address, closing = f"{scheme.lower()}://{rest}", threading.Event()
    opened = functools.partial(_opened, address, without_password(address), options, closing)
    return LiveSource(opened, options, listener, _PATIENCE + 2 * _interval(options), closing.set)


def _interval(options: SourceOptions) -> float:
    return 1 / options.fps if options.fps else _INTERVAL


def _opened(address: str, shown: str, options: SourceOptions, closing: threading.Event) -> Capture:
    if address.startswith("http"):
        source = _over_http(address, options, closing)
        if source is not None:
            return source
    return _by_ffmpeg(address, shown, options.insecure)


def _over_http(address: str, options: SourceOptions, closing: threading.Event) -> Capture | None:
    """Open a single-image or JPEG-stream camera; return None if the answer is neither."""
    from edgeclf_runtime.sources.network.http_camera import JpegStream, Snapshots
    from edgeclf_runtime.sources.network.http_client import HttpClient

    client = HttpClient(address, options.insecure, _READ_MS / 1000)
    try:
        answer = client.get()
        kind = answer.headers.get_content_type()
        if kind.startswith("image/"):
            return Snapshots(client, answer, _interval(options), closing)
        if kind.startswith("multipart/"):
            return JpegStream(client, answer)
        answer.close()
    except http.client.HTTPException:  # such as "ICY 200 OK"
        pass
    client.close()
    return None


def _by_ffmpeg(address: str, shown: str, insecure: bool) -> OpenCVCapture:
    import cv2

    from edgeclf_runtime.sources.network.tls import check_certificate, ffmpeg_verifies

    verified = not insecure and address.startswith(("https:", "rtsps:"))
    if verified:
        check_certificate(address, shown, _OPEN_MS / 1000)
    # FFmpeg applies time-outs only if they are given at opening.
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _OPEN_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _READ_MS]
    with quiet(), ffmpeg_verifies(verified):
        video = cv2.VideoCapture(address, cv2.CAP_FFMPEG, limits)
    if not video.isOpened():
        raise SourceError(f"{shown}: no video stream there. Check the address, the camera and the password.")
    return OpenCVCapture(video, shown, 0.9 * _READ_MS / 1000, _BACKLOG if address.startswith("rtsp") else 0.0)
