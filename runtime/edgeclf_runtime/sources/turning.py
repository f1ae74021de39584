"""Pictures of a camera that hangs on its side or upside down, or looks into a mirror."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeclf_runtime.frame import Frame
from edgeclf_runtime.sources.source import SourceOptions

__all__ = ["turned"]


def turned(frame: Frame, options: SourceOptions) -> Frame:
    """The frame turned clockwise by ``options.rotate`` degrees, then mirrored by ``options.flip``."""
    if not options.turns:
        return frame
    import cv2

    pixels = frame.pixels
    codes = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
    if options.rotate:
        pixels = np.asarray(cv2.rotate(pixels, codes[options.rotate]), np.uint8)
    if options.flip != "none":
        pixels = np.asarray(cv2.flip(pixels, 1 if options.flip == "horizontal" else 0), np.uint8)
    return replace(frame, pixels=pixels, jpeg=None)  # which lies as the camera does
