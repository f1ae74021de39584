"""Where frames come from, opened by what the user wrote."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Union

from edgeclf_runtime.errors import SourceError
from edgeclf_runtime.sources.source import Source

__all__ = ["Source", "SourceSpec", "open_source"]

SourceSpec = Union[int, str, "os.PathLike[str]"]

_SCHEMES = ("rtsp", "rtsps", "http", "https")


def open_source(spec: SourceSpec) -> Source:
    """Open a camera, video, pictures or stream.

    Args:
        spec: a camera's number (also as text), a video device, a video file, a picture, a folder of pictures, or an
            rtsp, rtsps, http or https address.

    Raises:
        SourceError: there is no such thing, or it cannot be opened.
    """
    text = os.fspath(spec) if not isinstance(spec, int) else str(spec)
    if text.isdecimal():
        return _camera(f"/dev/video{int(text)}")
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", text)
    if scheme:
        return _stream(scheme[1].lower(), text)
    path = Path(text)
    if text.startswith("/dev/") or path.is_char_device():
        return _camera(text)
    if not path.exists():
        raise SourceError(f"{text}: no such camera, file, folder or address.")
    return _file(path)


def _camera(device: str) -> Source:
    from edgeclf_runtime.sources.camera import open_camera

    return open_camera(device)


def _stream(scheme: str, address: str) -> Source:
    if scheme not in _SCHEMES:
        raise SourceError(f"{scheme}://: expected one of {', '.join(_SCHEMES)}.")
    from edgeclf_runtime.sources.stream import open_stream

    return open_stream(address)


def _file(path: Path) -> Source:
    from edgeclf_runtime.images import IMAGE_SUFFIXES

    if path.is_dir() or path.suffix.lower() in IMAGE_SUFFIXES:
        from edgeclf_runtime.sources.pictures import PictureSource

        return PictureSource(path)
    from edgeclf_runtime.sources.video import VideoSource

    return VideoSource(path)
