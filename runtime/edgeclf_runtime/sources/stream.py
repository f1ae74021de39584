"""A network camera's stream as a source."""

from __future__ import annotations

import functools
from urllib.parse import urlsplit, urlunsplit

from edgeclf_runtime.errors import SourceError
from edgeclf_runtime.opencv import quiet
from edgeclf_runtime.sources.capture import OpenCVCapture
from edgeclf_runtime.sources.live import LiveSource
from edgeclf_runtime.sources.source import SourceOptions, StateListener

__all__ = ["open_stream", "without_password"]

_OPEN_MS = 10_000
_READ_MS = 5_000
_BACKLOG = 1.0  # seconds within which an RTSP server's stored frames come at once


def open_stream(address: str, options: SourceOptions, listener: StateListener | None = None) -> LiveSource:
    """Connect to an rtsp, rtsps, http or https address.

    Args:
        address: of the stream.
        options, listener: see ``LiveSource``.

    Raises:
        SourceError: nobody answers there within 10 s, or with no video.
    """
    return LiveSource(functools.partial(_opened, address, without_password(address)), options, listener)


def _opened(address: str, shown: str) -> OpenCVCapture:
    import cv2

    # FFmpeg heeds time-outs only when they are given while it opens.
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _OPEN_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _READ_MS]
    with quiet():
        video = cv2.VideoCapture(address, cv2.CAP_FFMPEG, limits)
    if not video.isOpened():
        raise SourceError(f"{shown}: no video stream there. Check the address, the camera and the password.")
    return OpenCVCapture(video, shown, 0.9 * _READ_MS / 1000, _BACKLOG if address.startswith("rtsp") else 0.0)


def without_password(address: str) -> str:
    """An address that can be shown: user name, password and query, where keys often stand, left out."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        netloc = f"{f'[{host}]' if ':' in host else host}{f':{parts.port}' if parts.port else ''}"
    except ValueError:
        raise SourceError(f"{address.partition('://')[0]}://: not a valid address.") from None
    return urlunsplit((parts.scheme, netloc, parts.path, "", ""))
