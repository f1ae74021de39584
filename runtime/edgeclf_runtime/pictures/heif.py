"""Decode HEIC, the format of iPhones, with pillow-heif, and AVIF with Pillow: the extra ``heic``."""

from __future__ import annotations

import io
import shlex
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.errors import ImageError
from edgeclf_runtime.pictures.foreign import conversion
from edgeclf_runtime.pictures.orientation import read_orientation, upright
from edgeclf_runtime.system.packages import unsuited

if TYPE_CHECKING:
    from edgeclf_runtime.pictures.header import PictureHeader

__all__ = ["decode_heif"]

_FAILURES = (OSError, ValueError, RuntimeError, SyntaxError, EOFError, IndexError)


def decode_heif(data: bytes, header: PictureHeader, name: str) -> npt.NDArray[np.uint8]:
    """Decode the main image of a HEIC or AVIF file and turn it upright.

    Returns:
        uint8 ``[height, width, 3 or 4]``, RGB or RGBA; the alpha is not premultiplied.

    Raises:
        ImageError: the library is missing or too old, or the file is damaged.
    """
    text, fix = unsuited("pillow-heif" if header.kind == "HEIC" else "pillow")
    if text:
        raise ImageError(f"{name}: {text}: {fix}, or convert it: {conversion(name, '.heic')}")
    try:
        return _heic(data, header) if header.kind == "HEIC" else _avif(data)
    except ImportError:
        library = "pillow-heif" if header.kind == "HEIC" else "Pillow 11.3 or newer"
        raise ImageError(
            f"{name}: {header.kind} needs {library}: pip install 'edgeclf-runtime[heic]', or convert it: "
            f"{conversion(name, '.heic')}"
        ) from None
    except _FAILURES as error:
        what = shlex.quote(" ".join(str(error).split())[:120])
        raise ImageError(
            f"{name}: a {header.kind} file that cannot be decoded ({what}). Copy it again, or convert it: "
            f"{conversion(name, '.heic')}"
        ) from None


def _heic(data: bytes, header: PictureHeader) -> npt.NDArray[np.uint8]:
    import pillow_heif

    # The library returns the upper 8 of 10 bits per channel, of a grey image 16, and has applied the rotation stored in
    # the file.
    opened = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True)
    picture = opened[opened.primary_index]
    if picture.size[0] * picture.size[1] > header.width * header.height:
        raise ValueError("its parts are larger than its header says")
    exif: Any = picture.info.get("exif")
    orientation = 1 if header.turned else read_orientation(exif or b"")
    pixels = _channels(np.array(picture))  # a copy: the library owns the memory
    if picture.premultiplied_alpha and pixels.shape[2] == 4:
        pixels = _divided(pixels)
    return upright(pixels, orientation)


def _avif(data: bytes) -> npt.NDArray[np.uint8]:
    from PIL import Image, features

    if not features.check("avif"):
        raise ImportError
    with Image.open(io.BytesIO(data), formats=("AVIF",)) as picture:
        orientation = read_orientation(picture.info.get("exif", b""))  # Pillow adds the file's own rotation
        return upright(_channels(np.asarray(picture)), orientation)


def _channels(pixels: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Convert grey to RGB and grey with alpha to RGBA; return RGB and RGBA as they are."""
    pixels = pixels if pixels.ndim == 3 else pixels[:, :, np.newaxis]
    if pixels.shape[2] < 3:
        pixels = np.concatenate([pixels[:, :, :1]] * 3 + [pixels[:, :, 1:]], axis=2)
    if pixels.dtype == np.uint16:
        pixels = (pixels.astype(np.uint32) + 128) // 257
    return np.ascontiguousarray(pixels, np.uint8)


def _divided(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    alpha = pixels[:, :, 3:].astype(np.uint32)
    colours = (pixels[:, :, :3].astype(np.uint32) * 255 + alpha // 2) // np.maximum(alpha, 1)
    return np.concatenate([np.minimum(colours, 255).astype(np.uint8), pixels[:, :, 3:]], axis=2)
