"""Check that a JPEG is complete, with or without an end marker.

Some cameras omit the two bytes of the marker, and copies lose them: nothing is missing then. Some programs append the
marker to a truncated image, whose rest is grey. The decoder distinguishes the two: bits appended to a complete image
do not change any pixel.
"""

from __future__ import annotations

import io
import struct

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.errors import ImageError
from edgeclf_runtime.pictures.opencv import quiet

__all__ = ["END", "has_grey_corner", "refuse_missing", "whole_jpeg"]

END = b"\xff\xd9"

_CUT = "{}: cut short; copy the file again."
_GREY = 128

_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_SCAN = 0xDA
# Alternating bits that begin with 0 and with 1, and an irregular sequence without 0xFF: at least one differs from
# whatever is missing. Restart markers let a decoder go on that misses the next one.
_RESTARTS = b"".join(bytes([0xFF, marker]) + b"\xaa" * 32 for marker in range(0xD0, 0xD8))
_TAILS = (b"\x55" * 512, b"\xaa" * 512 + 2 * _RESTARTS, bytes(value * value * 37 % 251 for value in range(1, 513)))


def whole_jpeg(data: bytes, name: str) -> bytes:
    """Return a JPEG without an end marker, with the marker added.

    Args:
        data: bytes that ``read_header`` accepts; zeros, or half a marker, may follow.
        name: name of the file, for errors.

    Raises:
        ImageError: pixels are missing.
    """
    bare = data.rstrip(b"\0").rstrip(b"\xff")
    # The bytes cut off are padding or half a marker; but a single 0x00 or 0xFF may be the image's last byte.
    behind = data[len(bare) :]
    last = b"\0" if behind == b"\0" else b"\xff\0" if behind.startswith(b"\xff\0") else b""
    for content in (bare, bare + last):
        if _has_all_scans(content) and _has_all_bits(content):
            return content + END
    raise ImageError(_CUT.format(name))


def has_grey_corner(pixels: npt.NDArray[np.uint8], side: int = 2) -> bool:
    """Whether a corner of ``[height, width, 3]`` has exactly the grey that decoders use for missing pixels.

    All corners are checked, because the image may have been turned.

    Args:
        pixels: the decoded image.
        side: width and height of a corner, in pixels.
    """
    ends = (slice(side), slice(-side, None))
    return any((pixels[rows, columns] == _GREY).all() for rows in ends for columns in ends)


def refuse_missing(data: bytes, name: str) -> None:
    """Check that the last pixels of a JPEG are there; ``data`` is without its end marker.

    Raises:
        ImageError: pixels are missing.
    """
    if not _has_all_bits(data):
        raise ImageError(_CUT.format(name))


def _has_all_bits(data: bytes) -> bool:
    first = _pixels(data + END)
    if first is None:
        return False
    others = (_pixels(data + tail + END) for tail in _TAILS)
    return all(other is not None and np.array_equal(first, other) for other in others)


def _has_all_scans(data: bytes) -> bool:
    """Return whether all coefficients of each component are there, in a progressive JPEG to their last bit."""
    progressive, left, position = False, dict[int, npt.NDArray[np.int64]](), 2
    try:
        while position < len(data):
            start = data.find(b"\xff", position)
            if start < 0 or start + 1 >= len(data):
                break
            marker, position = data[start + 1], start + 1 if data[start + 1] == 0xFF else start + 2
            if marker in (0, 1, 0xFF) or 0xD0 <= marker <= 0xD8:
                continue
            (length,) = struct.unpack_from(">H", data, position)
            content = data[position + 2 : position + length]
            if marker in _FRAMES:
                progressive = marker in _PROGRESSIVE
                left = {content[6 + 3 * index]: np.full(64, 99) for index in range(content[5])}
            if marker == _SCAN:
                first, last, bit = content[-3], content[-2], content[-1] & 15
                for index in range(content[0]):
                    left[content[1 + 2 * index]][first : last + 1 if progressive else 64] = bit if progressive else 0
            position += length
    except (IndexError, KeyError, struct.error):
        return False
    return bool(left) and not any(bits.any() for bits in left.values())


def _pixels(data: bytes) -> npt.NDArray[np.uint8] | None:
    """Decode with Pillow if it is installed: OpenCV's decoder prints a warning about extra bytes."""
    try:
        from PIL import Image
    except ImportError:
        import cv2

        with quiet():
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        return None if pixels is None else np.asarray(pixels, np.uint8)
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as picture:
            return np.asarray(picture)
    except (OSError, ValueError, SyntaxError):
        return None
