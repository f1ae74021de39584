"""Read image files: JPEG, PNG, BMP, WebP, TIFF, HEIC and AVIF, and GIF with OpenCV 4.12 or newer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.errors import ImageError
from edgeclf_runtime.pictures.foreign import conversion
from edgeclf_runtime.pictures.header import PictureHeader, read_header
from edgeclf_runtime.pictures.heif_boxes import is_heif
from edgeclf_runtime.pictures.jpeg_end import END, has_grey_corner, refuse_missing, whole_jpeg
from edgeclf_runtime.pictures.opencv import quiet
from edgeclf_runtime.pictures.orientation import upright

__all__ = [
    "IMAGE_SUFFIXES",
    "checked_header",
    "decode_image",
    "decoded_part",
    "eight_bits",
    "find_images",
    "over_white",
    "read_content",
    "read_image",
    "refuse_too_large",
    "swapped",
]

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff"})
IMAGE_SUFFIXES |= {".heic", ".heif", ".hif", ".avif"}
"""Suffixes of the files that ``find_images`` returns, in lower case."""

_BYTES_LIMIT = 1 << 29
_PIXELS_LIMIT = 1 << 26  # 8192x8192; decoding takes up to 20 bytes per pixel (16 bits with alpha)
_STRIP = 1 << 20  # pixels converted at a time, or wide integers for the whole image would take several times its memory


def read_image(path: str | os.PathLike[str], *, min_size: int | tuple[int, int] = 0) -> npt.NDArray[np.uint8]:
    """Read an image as ``decode_image`` does.

    Args:
        path: path of the file; its suffix does not matter.
        min_size: see ``decode_image``.

    Raises:
        ImageError: no such file, or see ``decode_image``.
    """
    return decode_image(read_content(path), str(path), min_size=min_size)


def read_content(path: str | os.PathLike[str]) -> bytes:
    """Read the bytes of an image file.

    Raises:
        ImageError: no such file, a folder or device, or too large.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise ImageError(f"{path}: a folder or device, expected an image file.")
        if path.stat().st_size > _BYTES_LIMIT:
            raise ImageError(f"{path}: larger than {_BYTES_LIMIT >> 20} MB.")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"{path}: {getattr(error, 'strerror', None) or error}.") from error


def decode_image(
    data: bytes, name: str, *, limit: int = _PIXELS_LIMIT, min_size: int | tuple[int, int] = 0
) -> npt.NDArray[np.uint8]:
    """Decode an image and turn it upright by its EXIF orientation; an animation gives its first frame.

    Grey becomes RGB, 16 bits are rounded to 8, and transparent parts are blended with white.

    Args:
        data: content of the file.
        name: name of the file, for errors.
        limit: largest number of pixels accepted, checked before decoding.
        min_size: decode a JPEG at 1/2, 1/4 or 1/8 of its size, which is faster, as long as width and height of the
            upright image keep at least this many pixels, or both keep this many; 0 for the full size.

    Returns:
        uint8 RGB, ``[height, width, 3]``.

    Raises:
        ImageError: not an image, truncated, damaged or too large, or a format whose library is not installed.
    """
    header = checked_header(data, name, limit=limit)
    if header.kind in ("HEIC", "AVIF"):
        from edgeclf_runtime.pictures.heif import decode_heif

        pixels = decode_heif(data, header, name)
        return pixels if pixels.shape[2] == 3 else over_white(pixels)
    if header.kind == "JPEG" and not header.end:
        data = whole_jpeg(data, name)
    return _decoded(data, header, name, min_size)


def checked_header(data: bytes, name: str, *, limit: int = _PIXELS_LIMIT) -> PictureHeader:
    """Read an image's header and check its size.

    Raises:
        ImageError: not an image, too large, or truncated as far as that is visible without decoding.
    """
    try:
        header = read_header(data)
    except ImageError as error:
        raise ImageError(f"{name}: {error}{_other_way(data, name)}.") from None
    refuse_too_large(header.width, header.height, name, limit)
    if header.tile > limit:
        raise ImageError(f"{name}: a tile of {header.tile} pixels, expected at most {limit}.")
    return header


def refuse_too_large(width: int, height: int, name: str, limit: int = _PIXELS_LIMIT) -> None:
    """Check that an image is not too large to decode.

    Raises:
        ImageError: it has more than ``limit`` pixels.
    """
    if width * height > limit:
        raise ImageError(f"{name}: {width}x{height} pixels, expected at most {limit} in all.")


def _other_way(data: bytes, name: str) -> str:
    """Return the conversion command for a video, or for a HEIC file that another program may still open."""
    if data[4:8] != b"ftyp":
        return ""
    return f", or convert it: {conversion(name, '.heic')}" if is_heif(data) else f"; {conversion(name, '.mp4')}"


def _decoded(data: bytes, header: PictureHeader, name: str, min_size: int | tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Decode with OpenCV."""
    rgb = header.kind == "JPEG" and _decodes_rgb()
    own = header.kind in ("PNG", "WebP")  # whether OpenCV turns these depends on its version and on alpha
    part = decoded_part(header, min_size)
    stored = _stored(data, with_alpha=False, part=part, rgb=rgb, as_stored=own)
    if stored is None:
        import cv2

        raise ImageError(f"{name}: damaged, or a kind of {header.kind} that OpenCV {cv2.__version__} cannot read.")
    pixels = eight_bits(stored)
    if header.clear >= 0:
        pixels = np.where(stored[:, :, :1] == header.clear, np.uint8(255), pixels)
    if header.kind == "JPEG" and has_grey_corner(pixels, side=2 if part == 1 else 1):
        refuse_missing(data[: header.end or -len(END)], name)
    if header.alpha:
        stored = _stored(data, with_alpha=True)
        if stored is not None and stored.shape[2:] == (4,):
            # OpenCV returns premultiplied colours for an 8-bit TIFF.
            applied = header.extra == 1 or (header.extra == 2 and stored.dtype == np.uint8)
            with_alpha = eight_bits(stored)
            if (with_alpha[:, :, 3] < 255).any():
                pixels = _in_strips(_added_to_white if applied else _over_white, with_alpha)
    pixels = upright(pixels, header.orientation) if own else pixels
    return pixels if rgb else swapped(pixels)


def _decodes_rgb() -> bool:
    """Whether OpenCV (4.11 or newer) can decode a JPEG to RGB, which saves a conversion."""
    import cv2

    return hasattr(cv2, "IMREAD_COLOR_RGB")


def swapped(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return a copy with red and blue exchanged; OpenCV takes a fiftieth of numpy's time."""
    import cv2

    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)


def decoded_part(header: PictureHeader, min_size: int | tuple[int, int]) -> int:
    """Return the divisor of the size at which ``decode_image`` decodes an image: 1, 2, 4 or 8."""
    width, height = (min_size, min_size) if isinstance(min_size, int) else min_size
    if header.kind != "JPEG" or not (width and height):
        return 1
    if header.orientation > 4:  # stored on its side
        width, height = height, width
    return next((part for part in (8, 4, 2) if header.width >= part * width and header.height >= part * height), 1)


def find_images(folder: str | os.PathLike[str]) -> list[Path]:
    """Return all image files in and below a folder, by suffix, sorted; hidden files and folders are left out.

    Raises:
        ImageError: no such folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ImageError(f"{root}: no such folder.")
    images = (path for path in root.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    return sorted(path for path in images if not any(part.startswith(".") for part in path.relative_to(root).parts))


def _stored(
    data: bytes, *, with_alpha: bool, part: int = 1, rgb: bool = False, as_stored: bool = False
) -> npt.NDArray[Any] | None:
    """Decode to uint8 or uint16, BGR, RGB, or BGRA if there is alpha and it is wanted; None if OpenCV fails."""
    import cv2

    flags = cv2.IMREAD_UNCHANGED if with_alpha else cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
    if part > 1:
        flags = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}[part]
    if rgb:
        flags = flags & ~cv2.IMREAD_COLOR | cv2.IMREAD_COLOR_RGB
    if as_stored:
        flags |= cv2.IMREAD_IGNORE_ORIENTATION
    with quiet():
        try:
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        except cv2.error:
            return None
    return None if pixels is None or pixels.dtype not in (np.uint8, np.uint16) else pixels


def eight_bits(pixels: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Round uint8 or uint16 ``[height, width, channels]`` to uint8."""
    return _in_strips(_rounded, pixels) if pixels.dtype == np.uint16 else np.asarray(pixels, np.uint8)


def over_white(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Blend uint8 RGBA ``[height, width, 4]`` with white; return RGB."""
    return _in_strips(_over_white, pixels)


def _rounded(pixels: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    return (pixels + 128) // 257


def _over_white(pixels: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    alpha = pixels[:, :, 3:]
    return (pixels[:, :, :3] * alpha + 255 * (255 - alpha) + 127) // 255


def _added_to_white(pixels: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Blend premultiplied colours with white."""
    return (pixels[:, :, :3] + 255 - pixels[:, :, 3:]).clip(max=255)


def _in_strips(
    function: Callable[[npt.NDArray[np.uint32]], npt.NDArray[np.uint32]], pixels: npt.NDArray[Any]
) -> npt.NDArray[np.uint8]:
    rows = max(1, _STRIP // pixels.shape[1])
    made = np.empty((len(pixels), *function(pixels[:1].astype(np.uint32)).shape[1:]), np.uint8)
    for top in range(0, len(pixels), rows):
        made[top : top + rows] = function(pixels[top : top + rows].astype(np.uint32))
    return made
