"""JPEGs of a camera, stream or film, taken as they came: decoded once, and no larger than is needed.

OpenCV would decode each in full, FFmpeg's way, which differs from that of picture files by up to some thirty levels at
coloured edges; here a film's picture is decoded as training decodes a file's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.images import decode_image, swapped

__all__ = ["ask_undecoded", "jpeg_of", "rgb_of"]

_MJPG = int.from_bytes(b"MJPG", "little")


def ask_undecoded(video: Any) -> bool:
    """Have an opened ``cv2.VideoCapture`` of JPEGs give them undecoded; whether it will."""
    import cv2

    if int(video.get(cv2.CAP_PROP_FOURCC)) != _MJPG:
        return False
    if video.getBackendName() == "V4L2":
        return bool(video.set(cv2.CAP_PROP_CONVERT_RGB, 0))
    upright = not video.get(cv2.CAP_PROP_ORIENTATION_META)
    return upright and bool(video.set(cv2.CAP_PROP_FORMAT, -1))


def jpeg_of(picture: npt.NDArray[np.uint8]) -> bytes | None:
    """The JPEG, where ``read`` gave one: a single row of bytes."""
    if picture.ndim != 2 or bytes(picture[0, :2]) != b"\xff\xd8":
        return None
    return picture.tobytes()


def rgb_of(picture: npt.NDArray[np.uint8], name: str, least: int) -> npt.NDArray[np.uint8]:
    """What OpenCV gave, decoded or not, as uint8 RGB.

    Args:
        picture: BGR ``[height, width, 3]``, or a JPEG's bytes ``[1, count]``.
        name: of the source, for errors.
        least: see ``decode_image``.

    Raises:
        ImageError: a damaged JPEG.
    """
    if picture.ndim == 3:
        return swapped(picture)
    return decode_image(picture.tobytes(), name, least=least)
