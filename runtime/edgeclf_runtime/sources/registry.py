"""The table of source kinds; to add one, write its file and add a line here."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Callable, NamedTuple

from edgeclf_runtime.sources.request import Request
from edgeclf_runtime.sources.source import Source

__all__ = ["SCHEME", "SCHEMES", "SOURCES", "SourceEntry"]

SCHEMES = ("rtsp", "rtsps", "http", "https")

SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


class SourceEntry(NamedTuple):
    """A kind of source.

    Attributes:
        matches: whether a request is for this kind, if no kind above matches.
        target: ``"module:function"`` that opens a ``Request``, imported when it is used.
        live: whether frames come in real time, so that they are lost if nobody takes them.
    """

    matches: Callable[[Request], bool]
    target: str
    live: bool

    def open(self, request: Request) -> Source:
        """Open the source."""
        module, _, name = self.target.partition(":")
        source: Source = getattr(import_module(f"edgeclf_runtime.sources.{module}"), name)(request)
        return source


def _is_csi(request: Request) -> bool:
    return re.fullmatch(r"csi(:\d)?", request.word) is not None


def _is_address(request: Request) -> bool:
    scheme = SCHEME.match(request.word)
    return scheme is not None and scheme[1].lower() in SCHEMES


def _is_device(request: Request) -> bool:
    if request.word.isdecimal() or request.path.is_char_device():
        return True
    # A camera that is not connected has no device file; regular files exist below /dev in /dev/shm.
    return request.text.startswith("/dev/") and not request.path.is_file() and not request.path.is_dir()


def _is_images(request: Request) -> bool:
    from edgeclf_runtime.pictures.images import IMAGE_SUFFIXES

    path = request.path
    return path.is_dir() or (path.exists() and (path.suffix.lower() in IMAGE_SUFFIXES or _is_heif(path)))


def _is_heif(path: Path) -> bool:
    """Whether a file is HEIC or AVIF, of which FFmpeg would read only one tile."""
    from edgeclf_runtime.pictures.heif_boxes import is_heif

    if not path.is_file():  # a pipe can be read only once
        return False
    try:
        with path.open("rb") as file:
            head = file.read(256)
    except OSError:  # reported when the file is read
        return False
    return head[4:8] == b"ftyp" and is_heif(head)


SOURCES = {
    "csi": SourceEntry(_is_csi, "picamera:open_request", live=True),
    "standard input": SourceEntry(lambda request: request.word == "-", "pipe:open_request", live=True),
    "network camera": SourceEntry(_is_address, "network.camera:open_request", live=True),
    "V4L2 camera": SourceEntry(_is_device, "camera:open_request", live=True),
    "images": SourceEntry(_is_images, "folder.source:open_request", live=False),
    "video": SourceEntry(lambda request: request.path.exists(), "video:open_request", live=False),
}
