"""Accept images opened with Pillow, without importing Pillow."""

from __future__ import annotations

import struct
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.errors import ImageError
from edgeclf_runtime.pictures.images import eight_bits, over_white, refuse_too_large
from edgeclf_runtime.pictures.orientation import upright
from edgeclf_runtime.system.plain_text import printable

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["is_pillow_image", "pillow_pixels"]

_ORIENTATION = 274  # EXIF's tag
_SIXTEEN_BITS = {"I;16": "<u2", "I;16L": "<u2", "I;16B": ">u2", "I;16N": "=u2"}
_CONVERTED = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV"}
_DAMAGED = (OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError, KeyError, struct.error)
_CLOSED = (AssertionError, AttributeError)  # closed before its pixels were read


def is_pillow_image(value: object) -> bool:
    """Whether a value is a ``PIL.Image.Image``; always False while Pillow is not imported."""
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(value, pillow.Image)


def pillow_pixels(image: Image.Image) -> npt.NDArray[np.uint8]:
    """Return the pixels of a Pillow image as ``read_image`` does for a file: upright, transparent parts over white.

    Grey images (also 16-bit), palettes, CMYK and others become RGB. An animation gives its current frame.

    Returns:
        uint8 RGB ``[height, width, 3]``.

    Raises:
        ImageError: its pixels cannot be read, it is too large, or its mode ("I" or "F") has no known range of values.
    """
    name = f"Pillow image {printable(str(getattr(image, 'filename', '')))}".rstrip()
    refuse_too_large(image.width, image.height, name)
    if image.mode not in _CONVERTED and image.mode not in _SIXTEEN_BITS:
        raise ImageError(
            f"{name}: mode {image.mode}, expected one with a known range of values, such as RGB, RGBA, L, P or I;16."
        )
    try:
        image.load()  # also turns a TIFF upright
        pixels = _rgb(image)
    except (*_DAMAGED, *_CLOSED) as error:
        raise ImageError(f"{name}: cannot be read ({' '.join(str(error).split())[:120]}).") from error
    return upright(pixels, _orientation(image))


def _rgb(image: Image.Image) -> npt.NDArray[np.uint8]:
    if image.mode in _SIXTEEN_BITS:
        values = np.frombuffer(image.tobytes(), _SIXTEEN_BITS[image.mode]).reshape(image.height, image.width)
        return eight_bits(np.repeat(values.astype(np.uint16)[:, :, np.newaxis], 3, axis=2))
    if image.mode.lower().endswith("a") or "transparency" in image.info:
        return over_white(np.asarray(image.convert("RGBA")))
    return np.asarray(image.convert("RGB"))


def _orientation(image: Image.Image) -> int:
    try:
        value: Any = image.getexif().get(_ORIENTATION, 1)
    except _DAMAGED:  # ignore damaged EXIF data
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1
