"""A network camera's stream as a source."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from edgeclf_runtime.errors import SourceError
from edgeclf_runtime.opencv import quiet
from edgeclf_runtime.sources.live import LiveSource

__all__ = ["open_stream"]

_OPEN_MS = 10_000
_READ_MS = 5_000


def open_stream(address: str) -> LiveSource:
    """Connect to an rtsp, rtsps, http or https address.

    Raises:
        SourceError: nobody answers there within 10 s, or with no video.
    """
    import cv2

    shown = without_password(address)
    # FFmpeg heeds time-outs only when they are given while it opens.
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _OPEN_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _READ_MS]
    with quiet():
        capture = cv2.VideoCapture(address, cv2.CAP_FFMPEG, limits)
    if not capture.isOpened():
        raise SourceError(f"{shown}: no video stream there. Check the address, the camera and the password.")
    return LiveSource(capture, shown, _READ_MS / 1000)


def without_password(address: str) -> str:
    """An address that can be shown: user name, password and query, where keys often stand, left out."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        netloc = f"{f'[{host}]' if ':' in host else host}{f':{parts.port}' if parts.port else ''}"
    except ValueError:
        raise SourceError(f"{address.partition('://')[0]}://: not a valid address.") from None
    return urlunsplit((parts.scheme, netloc, parts.path, "", ""))
