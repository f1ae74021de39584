"""A V4L2 camera as a source."""

from __future__ import annotations

import functools
import glob
import os
from pathlib import Path
from typing import Any

from edgeclf_runtime.errors import SourceError
from edgeclf_runtime.pictures.opencv import is_utf8, quiet
from edgeclf_runtime.sources.connection import OpenCVCapture
from edgeclf_runtime.sources.live import LiveSource
from edgeclf_runtime.sources.request import Request
from edgeclf_runtime.sources.source import SourceOptions, StateListener
from edgeclf_runtime.system.plain_text import printable

__all__ = ["open_camera", "open_request"]

_PATIENCE = 9.0  # seconds; V4L2 gives up after 10 s by default, and may then repeat the previous frame


def open_request(request: Request) -> LiveSource:
    """Open a camera by its number, or a device."""
    text = request.text
    return open_camera(f"/dev/video{int(text)}" if text.isdecimal() else text, request.options, request.listener)


def open_camera(device: str, options: SourceOptions, listener: StateListener | None = None) -> LiveSource:
    """Open a camera.

    Args:
        device: such as ``/dev/video0``, or a link in ``/dev/v4l/by-id``, which is resolved again at each opening.
        options: size, fps and format to request; the description shows what the camera granted.
        listener: see ``LiveSource``.

    Raises:
        SourceError: the device is missing, not permitted, busy, or not a camera.
    """
    return LiveSource(functools.partial(_opened, device, options), options, listener)


def _opened(device: str, options: SourceOptions) -> OpenCVCapture:
    import cv2

    if not is_utf8(Path(os.path.realpath(device))):
        raise SourceError(f"{printable(device)}: a device's name has to be UTF-8.")
    if not os.path.exists(device):
        devices = sorted(glob.glob("/dev/video*"))
        there = f"found {', '.join(devices)}" if devices else "none is connected"
        raise SourceError(f"{device}: no such camera; {there}.")
    if not os.access(device, os.R_OK | os.W_OK):
        raise SourceError(f"{device}: no permission; add yourself to its group: sudo usermod -aG video $USER")
    with quiet():
        video = cv2.VideoCapture(os.path.realpath(device), cv2.CAP_V4L2)
        if not video.isOpened():
            raise SourceError(f"{device}: cannot be opened; it is no camera, or another program uses it.")
        _ask(cv2, video, options)
    return OpenCVCapture(video, _described(cv2, video, device, options), _PATIENCE)


def _ask(cv2: Any, video: Any, options: SourceOptions) -> None:
    """Request the settings, the format first: it determines the available sizes and frame rates."""
    if options.format:
        video.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*options.format.upper()))
    if options.width:
        video.set(cv2.CAP_PROP_FRAME_WIDTH, options.width)
        video.set(cv2.CAP_PROP_FRAME_HEIGHT, options.height)
    if options.fps:
        video.set(cv2.CAP_PROP_FPS, options.fps)
    video.set(cv2.CAP_PROP_BUFFERSIZE, 1)


def _described(cv2: Any, video: Any, device: str, options: SourceOptions) -> str:
    width, height = (int(video.get(part)) for part in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    code, fps = int(video.get(cv2.CAP_PROP_FOURCC)), video.get(cv2.CAP_PROP_FPS)
    kind = "".join(chr(code >> shift & 0xFF) for shift in (0, 8, 16, 24)).strip("\0 ") if code > 0 else "?"
    text = f"{device} {width}x{height} {kind} {fps:g} fps"
    wanted = []
    if options.width and (options.width, options.height) != (width, height):
        wanted.append(f"{options.width}x{options.height}")
    if options.format and options.format.upper() != kind:
        wanted.append(options.format.upper())
    if options.fps and abs(options.fps - fps) > 0.5:
        wanted.append(f"{options.fps:g} fps")
    return f"{text} (asked for {', '.join(wanted)})" if wanted else text
