"""Images of a camera that hangs on its side or upside down, or looks into a mirror."""

from __future__ import annotations

from edgeclf_runtime.frame import Frame
from edgeclf_runtime.pictures.view import View
from edgeclf_runtime.sources.source import SourceOptions

__all__ = ["turned"]


def turned(frame: Frame, options: SourceOptions) -> Frame:
    """The frame turned clockwise by ``options.rotate`` degrees, then mirrored by ``options.flip``."""
    return frame.viewed(View(rotate=options.rotate or 0, flip=options.flip or "none")) if options.turns else frame
