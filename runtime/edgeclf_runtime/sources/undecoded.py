"""JPEGs of a camera, stream or film, taken as they came: decoded once, and no larger than is needed.

OpenCV would decode each in full, FFmpeg's way, which differs from that of image files by up to some thirty levels at
coloured edges; here a film's image is decoded as training decodes a file's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.errors import ImageError
from edgeclf_runtime.pictures.images import decode_image
from edgeclf_runtime.pictures.jpeg_end import END

__all__ = ["JpegDecoder", "ask_undecoded", "is_jpeg"]

_PADDING = 4096  # bytes that may follow the end
_HABIT = 5  # images in a row
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


def is_jpeg(picture: npt.NDArray[np.uint8]) -> bool:
    """Whether ``read`` gave a JPEG's bytes, as one row, and not pixels."""
    return picture.ndim == 2 and bytes(picture[0, :2]) == b"\xff\xd8"


class JpegDecoder:
    """Decodes one source's JPEGs: ``completed`` in their order, then ``decoded`` in any thread.

    Some cameras leave the end marker out. Where it is missing, the image is looked at for whether it was cut short,
    which takes several times as long (see ``jpeg_end``); where it is missing time after time, that is the camera's
    habit, and it is put there.

    Args:
        name: of the source, for errors.
        min_size: see ``decode_image``.
    """

    def __init__(self, name: str, min_size: int) -> None:
        self.name, self._min_size, self._unended = name, min_size, 0

    def __call__(self, picture: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint8], bytes]:
        """A JPEG's bytes ``[1, count]`` to uint8 RGB ``[height, width, 3]``, and them.

        Raises:
            ImageError: damaged or cut short.
        """
        data = self.completed(picture)
        return self.decoded(data), data

    def completed(self, picture: npt.NDArray[np.uint8]) -> bytes:
        """A JPEG's bytes, with their end."""
        data = picture.tobytes()
        ended = END in data[-_PADDING:]
        self._unended = 0 if ended else self._unended + 1
        if self._unended > _HABIT:
            data += END
        return data

    def decoded(self, data: bytes) -> npt.NDArray[np.uint8]:
        """A complete JPEG to uint8 RGB ``[height, width, 3]``.

        Raises:
            ImageError: damaged or cut short.
        """
        try:
            return decode_image(data, self.name, min_size=self._min_size)
        except ImageError as error:  # whose remedies are a file's
            raise ImageError(f"{self.name}: a picture came damaged or cut short.") from error
