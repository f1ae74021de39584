"""The camera frames of ``edgeclf capture``, and photographs taken at an interval."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Callable

import click

from edgeclf_runtime.pictures.view import WHOLE, View

if TYPE_CHECKING:
    from edgeclf_runtime.frame import Frame
    from edgeclf_runtime.sources import SourceOptions, StateListener
    from edgeclf_runtime.web.album import Album

__all__ = ["Frames", "by_the_clock", "camera_frames"]

Frames = Callable[["StateListener | None", Callable[[str], object]], "Generator[Frame, None, None]"]
"""Yields what is kept of a camera's frames; gets what is told of its states, and of its description once it is open."""

_NO_SOURCE = "none"


def camera_frames(
    source: str, options: SourceOptions, view: View, listener: StateListener | None, opened: Callable[[str], object]
) -> Generator[Frame, None, None]:
    """Yield a camera's frames, cropped to the view; see ``Frames``.

    Raises:
        SourceError: the camera cannot be opened, or is lost.
    """
    from edgeclf_runtime.sources import open_source

    with open_source(source, options, listener) as frames:
        opened(frames.description)
        for frame in frames:
            yield _kept(frame, view)


def _kept(frame: Frame, view: View) -> Frame:
    """Crop a frame, already rotated by its source, to the view; a cropped frame loses its original JPEG."""
    if view.region == WHOLE:
        return frame
    return replace(frame, pixels=view.cut(frame.pixels), jpeg=None, unturned=None)


def by_the_clock(album: Album, frames: Frames, label: str, every: float, count: int) -> None:
    """Store ``count`` photographs of a class, one every ``seconds``."""
    due, left = time.monotonic(), count
    with closing(frames(None, lambda _: None)) as taken:
        for frame in taken:
            now = time.monotonic()
            if now < due:
                continue
            due = due + every if now < due + every else now + every
            path = album.write(label, frame.pixels, time.time() - (time.monotonic() - frame.time), frame.jpeg)
            left -= 1
            click.echo(f"{path}", err=True)
            if not left:
                break
