"""Read EXIF's orientation, 1 to 8, and turn an image upright by it."""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

__all__ = ["read_orientation", "upright"]

_ORIENTATION = 274
_FORMS = {3: "H", 4: "I"}  # SHORT, as the standard wants it, and LONG, as some programs write it
_PREFIX = b"Exif\0\0"


def read_orientation(exif: bytes) -> int:
    """Return the orientation in EXIF data; 1 (upright) if it is missing or invalid."""
    exif = exif[len(_PREFIX) :] if exif.startswith(_PREFIX) else exif
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, start)
        for offset in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(f"{order}HH", exif, offset)
            if tag == _ORIENTATION and kind in _FORMS:
                (value,) = struct.unpack_from(order + _FORMS[kind], exif, offset + 8)
                return int(value) if 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1


def upright(pixels: npt.NDArray[np.uint8], orientation: int) -> npt.NDArray[np.uint8]:
    """Turn and mirror ``[height, width, channels]`` by an EXIF orientation; returns the same array for 1."""
    if orientation > 4:  # stored with rows and columns exchanged
        pixels = pixels.transpose(1, 0, 2)
    rows = slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    return np.ascontiguousarray(pixels[rows, columns])
