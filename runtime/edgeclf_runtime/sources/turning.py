"""Rotate and mirror images of a camera that is mounted on its side, upside down, or behind a mirror."""

from __future__ import annotations

from edgeclf_runtime.frame import Frame
from edgeclf_runtime.pictures.view import View
from edgeclf_runtime.sources.source import SourceOptions

__all__ = ["turned"]


def turned(frame: Frame, options: SourceOptions) -> Frame:
    """Return the frame rotated clockwise by ``options.rotate`` degrees, then mirrored by ``options.flip``."""
    return frame.viewed(View(rotate=options.rotate or 0, flip=options.flip or "none")) if options.turns else frame
