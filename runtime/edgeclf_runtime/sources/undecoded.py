"""Take the JPEGs of a camera, stream or video undecoded, to decode each once and no larger than needed.

OpenCV would decode each in full with FFmpeg, whose pixels differ from those of the decoder for image files by up to
about 30 levels at coloured edges. Here, the images of a video are decoded in the same way as image files in training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.errors import ImageError
from edgeclf_runtime.pictures.images import decode_image
from edgeclf_runtime.pictures.jpeg_end import END

if TYPE_CHECKING:
    from edgeclf_runtime.frame import Frame

__all__ = ["JpegDecoder", "UndecodedJpeg", "ask_undecoded", "is_jpeg"]

_PADDING = 4096  # bytes that may follow the end marker
_HABIT = 5  # images in a row
_MJPG = int.from_bytes(b"MJPG", "little")


def ask_undecoded(video: Any) -> bool:
    """Ask an opened ``cv2.VideoCapture`` for undecoded JPEGs; return whether it will give them."""
    import cv2

    if int(video.get(cv2.CAP_PROP_FOURCC)) != _MJPG:
        return False
    if video.getBackendName() == "V4L2":
        return bool(video.set(cv2.CAP_PROP_CONVERT_RGB, 0))
    upright = not video.get(cv2.CAP_PROP_ORIENTATION_META)
    return upright and bool(video.set(cv2.CAP_PROP_FORMAT, -1))


def is_jpeg(picture: npt.NDArray[np.uint8]) -> bool:
    """Whether ``read`` returned the bytes of a JPEG (one row) rather than pixels."""
    return picture.ndim == 2 and bytes(picture[0, :2]) == b"\xff\xd8"


class UndecodedJpeg:
    """A frame that came as a JPEG: calling it decodes it, and ``glimpse`` does so at a smaller size.

    Args:
        decode: decodes it; returns None if it is damaged.
        jpeg: the complete JPEG.
    """

    def __init__(self, decode: Callable[[], Frame | None], jpeg: bytes) -> None:
        self._decode, self._jpeg = decode, jpeg

    def __call__(self) -> Frame | None:
        return self._decode()

    def glimpse(self, min_size: tuple[int, int]) -> npt.NDArray[np.uint8] | None:
        """Decode it, not rotated, at 1/8 of its size, or at the next larger one with at least this width and height.

        Returns:
            uint8 RGB, ``[height, width, 3]``; None if it is damaged, which a call then reports.
        """
        try:
            return decode_image(self._jpeg, "", min_size=min_size)
        except ImageError:
            return None


class JpegDecoder:
    """Decodes the JPEGs of one source: ``completed`` in order, then ``decoded`` in any thread.

    Some cameras omit the end marker. If it is missing, the image is checked for truncation, which takes several times
    as long as decoding (see ``jpeg_end``). If it is missing several times in a row, the camera never writes it, and it
    is added without a check.

    Args:
        name: of the source, for errors.
        min_size: ``min_decoded_size`` of the source's options, which a model card's rule replaces.

    Attributes:
        rule: minimum width and height of a decoded JPEG, by the rule of a model card; (0, 0) if it has none.
    """

    def __init__(self, name: str, min_size: int) -> None:
        self.name, self._min_size, self._unended = name, min_size, 0
        self.rule = (0, 0)

    def __call__(self, picture: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint8], bytes]:
        """Decode the bytes of a JPEG, ``[1, count]``; return uint8 RGB ``[height, width, 3]`` and the bytes.

        Raises:
            ImageError: it is damaged or cut short.
        """
        data = self.completed(picture)
        return self.decoded(data, self.rule), data

    def completed(self, picture: npt.NDArray[np.uint8]) -> bytes:
        """Return the bytes of a JPEG with an end marker."""
        data = picture.tobytes()
        ended = END in data[-_PADDING:]
        self._unended = 0 if ended else self._unended + 1
        if self._unended > _HABIT:
            data += END
        return data

    def decoded(self, data: bytes, rule: tuple[int, int] = (0, 0)) -> npt.NDArray[np.uint8]:
        """Decode a complete JPEG to uint8 RGB ``[height, width, 3]``, by this value of ``rule``.

        Raises:
            ImageError: it is damaged or cut short.
        """
        try:
            return decode_image(data, self.name, min_size=rule if any(rule) else self._min_size)
        except ImageError as error:  # the advice in it is for files
            raise ImageError(f"{self.name}: received a damaged or truncated image.") from error
