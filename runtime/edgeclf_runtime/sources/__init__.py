"""Sources of frames, opened by the name that the user gives."""

from __future__ import annotations

from pathlib import Path

from edgeclf_runtime.errors import SourceError
from edgeclf_runtime.sources.registry import SCHEME, SCHEMES, SOURCES
from edgeclf_runtime.sources.request import Request, SourceSpec
from edgeclf_runtime.sources.source import (
    Offering,
    Source,
    SourceOptions,
    SourceState,
    StateListener,
    Undecoded,
    is_camera,
)
from edgeclf_runtime.system.plain_text import printable

__all__ = [
    "Offering",
    "Source",
    "SourceOptions",
    "SourceSpec",
    "SourceState",
    "StateListener",
    "Undecoded",
    "is_camera",
    "is_live",
    "is_one_image",
    "open_source",
]


def open_source(
    spec: SourceSpec,
    options: SourceOptions | None = None,
    listener: StateListener | None = None,
    memory: Path | None = None,
) -> Source:
    """Open a camera, a video, images or a stream.

    Args:
        spec: a camera's number (also as text), a video device or a link to one, ``csi`` or ``csi:1`` for a Raspberry
            Pi's own camera, a video file, an image, a folder of images, an rtsp, rtsps, http or https address, or
            ``-`` for JPEGs from standard input. A ``Path`` is a file, folder or device, whatever its name.
        options: options of the source.
        listener: called whenever the state of a live source changes.
        memory: for a watched folder, see ``PictureSource``.

    Raises:
        SourceError: the source does not exist or cannot be opened.
    """
    request = Request(spec, options or SourceOptions(), listener, memory)
    entry = next((entry for entry in SOURCES.values() if entry.matches(request)), None)
    if entry is None:
        raise _nothing(request.text)
    return entry.open(request)


def is_live(spec: SourceSpec) -> bool:
    """Whether a source is live: its frames are lost if nobody takes them in time."""
    request = Request(spec)
    is_known = any(entry.live and entry.matches(request) for entry in SOURCES.values())
    return is_known or SCHEME.match(request.word) is not None


def is_one_image(spec: SourceSpec) -> bool:
    """Whether a source is a single image file, so that there is nothing to do in parallel."""
    from edgeclf_runtime.pictures.images import IMAGE_SUFFIXES

    return Path(str(spec)).suffix.lower() in IMAGE_SUFFIXES and Path(str(spec)).is_file()


def _nothing(text: str) -> SourceError:
    """Return the error for an unknown source, without showing what may be an address with a password."""
    from edgeclf_runtime.sources.network.address import looks_like_address

    what = "no such camera, file, folder or address"
    if not looks_like_address(text):
        return SourceError(f"{printable(text)}: {what}.")
    begins = ", ".join(f"{scheme}://" for scheme in SCHEMES)
    return SourceError(
        f"The source: {what}. It may hold a password and is not shown. An address: expected one of {begins}."
    )
