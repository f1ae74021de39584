"""Encode an observation's image as JPEG, or draw the answer on it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.pictures.images import swapped
from edgeclf_runtime.pictures.view import WHOLE
from edgeclf_runtime.sinks.sink import Observation

__all__ = ["annotated", "jpeg", "jpeg_of", "pixels_of", "seen_jpeg_of", "small_jpeg"]

_LEAST = 64  # pixels; a smaller image shows nothing useful
_CUT_QUALITY = 95  # JPEG quality of a crop, which may have been a JPEG before
_BAR = 0.08  # height of the line of text, as a share of the image's height


def pixels_of(item: Observation) -> npt.NDArray[np.uint8] | None:
    """Return the whole frame, uint8 RGB ``[height, width, 3]``; None if it has no pixels."""
    frame = item.prediction.frame
    return None if frame is None else frame.whole()


def jpeg_of(item: Observation) -> bytes | None:
    """Return the whole frame as JPEG, unchanged if it came as JPEG; None if it has no pixels."""
    frame = item.prediction.frame
    if frame is None:
        return None
    return jpeg(frame.whole()) if frame.jpeg is None else frame.jpeg


def seen_jpeg_of(item: Observation) -> bytes | None:
    """Return the classified part of the frame as JPEG; the same as ``jpeg_of`` if that is the whole frame."""
    frame = item.prediction.frame
    if frame is None or frame.view.region == WHOLE:
        return jpeg_of(item)
    return jpeg(frame.seen(), _CUT_QUALITY)


def jpeg(pixels: npt.NDArray[np.uint8], quality: int = 90) -> bytes:
    """Encode uint8 RGB ``[height, width, 3]`` as JPEG."""
    import cv2

    good, data = cv2.imencode(".jpg", swapped(pixels), [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert good
    return data.tobytes()


def small_jpeg(pixels: npt.NDArray[np.uint8], side: int, limit: int) -> bytes | None:
    """Encode an image as a JPEG of limited size.

    Args:
        pixels: uint8 RGB ``[height, width, 3]``.
        side: maximum length of the longer side, in pixels.
        limit: maximum size in bytes.

    Returns:
        The JPEG with the best quality that fits, of a smaller image if necessary; None if that would be too small to
        show anything.
    """
    while side >= _LEAST:
        small = _at_most(pixels, side)
        for quality in (90, 80, 65, 50, 35, 20):
            content = jpeg(small, quality)
            if len(content) <= limit:
                return content
        side = max(small.shape[:2]) // 2
    return None


def _at_most(pixels: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    import cv2

    scale = side / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def annotated(item: Observation) -> npt.NDArray[np.uint8] | None:
    """Return the frame, uint8 RGB, with answer and score on a dark bar at its bottom; None if it has no pixels."""
    import cv2

    pixels = pixels_of(item)
    if pixels is None:
        return None
    picture: npt.NDArray[np.uint8] = pixels.copy()
    height = max(16, int(picture.shape[0] * _BAR))
    picture[-height:] //= 4
    text = f"{item.decision.label} {item.decision.score:.0%}".encode("ascii", "replace").decode()
    corner = (height // 4, picture.shape[0] - height // 4)
    cv2.putText(picture, text, corner, cv2.FONT_HERSHEY_SIMPLEX, height / 32, (255, 255, 255), max(1, height // 16), 16)
    return picture
