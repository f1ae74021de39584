"""Pictures from files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.errors import ImageError

__all__ = ["IMAGE_SUFFIXES", "decode_image", "find_images", "read_image"]

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff"})


def read_image(path: str | os.PathLike[str]) -> npt.NDArray[np.uint8]:
    """uint8 RGB, ``[height, width, 3]``, turned upright by its EXIF orientation."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror or error}.") from error
    return decode_image(data, os.fspath(path))


def decode_image(data: bytes, name: str, *, limit: int = 100_000_000) -> npt.NDArray[np.uint8]:
    """As ``read_image``, from a file's bytes."""
    import cv2

    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if pixels is None:
        raise ImageError(f"{name}: not a picture.")
    return np.ascontiguousarray(pixels[:, :, ::-1].astype(np.uint8))


def find_images(folder: str | os.PathLike[str]) -> list[Path]:
    """All pictures below a folder, by suffix, sorted."""
    return sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
