"""Where frames come from, opened by what the user wrote."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Union

from edgeclf_runtime.errors import SourceError
from edgeclf_runtime.sources.source import Source, SourceOptions, SourceState, StateListener, Undecoded, is_camera
from edgeclf_runtime.system.plain_text import printable

__all__ = [
    "Source",
    "SourceOptions",
    "SourceSpec",
    "SourceState",
    "StateListener",
    "Undecoded",
    "is_camera",
    "is_live",
    "open_source",
]

SourceSpec = Union[int, str, "os.PathLike[str]"]

_CSI = re.compile(r"csi(?::(\d))?")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SCHEMES = ("rtsp", "rtsps", "http", "https")


def open_source(
    spec: SourceSpec,
    options: SourceOptions | None = None,
    listener: StateListener | None = None,
    memory: Path | None = None,
) -> Source:
    """Open a camera, video, images or stream.

    Args:
        spec: a camera's number (also as text), a video device or a link to one, ``csi`` or ``csi:1`` for a Raspberry
            Pi's own camera, a video file, an image, a folder of images, an rtsp, rtsps, http or https address, or
            ``-`` for JPEGs from standard input. A ``Path`` is a file, folder or device, whatever its name.
        options: what is asked of it.
        listener: told how a live source is doing.
        memory: of a watched folder, see ``PictureSource``.

    Raises:
        SourceError: there is no such thing, or it cannot be opened.
    """
    text, options = _text(spec), options or SourceOptions()
    word = "" if isinstance(spec, os.PathLike) else text
    csi, scheme = _CSI.fullmatch(word), _SCHEME.match(word)
    if csi:
        from edgeclf_runtime.sources.picamera import open_picamera

        return open_picamera(int(csi[1] or 0), options, listener)
    if word == "-":
        from edgeclf_runtime.sources.pipe import open_pipe

        if sys.stdin is None:
            raise SourceError("-: standard input is closed.")
        return open_pipe(sys.stdin.buffer, options, listener)
    if scheme and scheme[1].lower() in _SCHEMES:
        from edgeclf_runtime.sources.network.camera import open_stream

        return open_stream(text, options, listener)
    if is_live(spec) and not scheme:
        from edgeclf_runtime.sources.camera import open_camera

        return open_camera(f"/dev/video{int(text)}" if text.isdecimal() else text, options, listener)
    if not Path(text).exists():
        raise _nothing(text)
    return _file(Path(text), options, memory)


def is_live(spec: SourceSpec) -> bool:
    """Whether frames come from it when the world gives them, so that those nobody takes are lost."""
    text = _text(spec)
    path = Path(text)
    if not isinstance(spec, os.PathLike) and (
        _CSI.fullmatch(text) or _SCHEME.match(text) or text == "-" or text.isdecimal()
    ):
        return True
    # A camera that is not connected has no device; files lie below /dev in /dev/shm.
    return path.is_char_device() or (text.startswith("/dev/") and not path.is_file() and not path.is_dir())


def _text(spec: SourceSpec) -> str:
    return os.fspath(spec) if not isinstance(spec, int) else str(spec)


def _nothing(text: str) -> SourceError:
    """There is no such thing; what may be an address with a password is not shown."""
    from edgeclf_runtime.sources.network.address import looks_like_address

    what = "no such camera, file, folder or address"
    if not looks_like_address(text):
        return SourceError(f"{printable(text)}: {what}.")
    begins = ", ".join(f"{scheme}://" for scheme in _SCHEMES)
    return SourceError(
        f"The source: {what}. It may hold a password and is not shown. An address: expected one of {begins}."
    )


def _file(path: Path, options: SourceOptions, memory: Path | None) -> Source:
    from edgeclf_runtime.pictures.images import IMAGE_SUFFIXES

    if path.is_dir() or path.suffix.lower() in IMAGE_SUFFIXES or _is_heif(path):
        from edgeclf_runtime.sources.folder.source import PictureSource

        return PictureSource(path, options.watch, options.min_decoded_size, memory)
    from edgeclf_runtime.pictures.foreign import foreign_reason
    from edgeclf_runtime.sources.film import VideoSource

    if reason := foreign_reason(str(path), ffmpeg=True):
        raise SourceError(f"{printable(path)}: {reason}")
    return VideoSource(path, options)


def _is_heif(path: Path) -> bool:
    """Of which FFmpeg, the reader of films, would give one tile."""
    from edgeclf_runtime.pictures.heif_boxes import is_heif

    if not path.is_file():  # a pipe gives its bytes once
        return False
    try:
        with path.open("rb") as file:
            head = file.read(256)
    except OSError:  # said by whoever reads it
        return False
    return head[4:8] == b"ftyp" and is_heif(head)
