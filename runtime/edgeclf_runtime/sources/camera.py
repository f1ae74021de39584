"""A V4L2 camera as a source."""

from __future__ import annotations

import glob
import os

from edgeclf_runtime.errors import SourceError
from edgeclf_runtime.opencv import quiet
from edgeclf_runtime.sources.live import LiveSource

__all__ = ["open_camera"]

_PATIENCE = 9.0  # V4L2 gives up after 10 s and may then repeat the frame before


def open_camera(device: str) -> LiveSource:
    """Open a camera at its own picture size.

    Args:
        device: such as ``/dev/video0``.

    Raises:
        SourceError: it is not there, not permitted, busy, or no camera.
    """
    import cv2

    if not os.path.exists(device):
        found = sorted(glob.glob("/dev/video*"))
        raise SourceError(f"{device}: no such camera; {'found ' + ', '.join(found) if found else 'none is connected'}.")
    if not os.access(device, os.R_OK | os.W_OK):
        raise SourceError(f"{device}: no permission; add yourself to its group: sudo usermod -aG video $USER")
    with quiet():
        capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
    if not capture.isOpened():
        raise SourceError(f"{device}: cannot be opened; it is no camera, or another program uses it.")
    return LiveSource(capture, device, _PATIENCE)
