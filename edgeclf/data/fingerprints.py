"""Fingerprints of images, taken while they are decoded, with which near-duplicates are found."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgeclf.data.capture_time import capture_time
from edgeclf_runtime.pictures.likeness import DETAIL, FITTED, THUMB, thumbnail
from edgeclf_runtime.pictures.preprocess import Pixels, resize

__all__ = ["Fingerprints", "content_digest"]

_HASHED = 32  # width and height in pixels of the image that is hashed


@dataclass(frozen=True, eq=False)
class Fingerprints:
    """Fingerprints of all images, about 1.5 KB each; rows of unreadable files are zero.

    Attributes:
        readable: bool ``[images]``.
        sizes: int32 ``[images, 2]``, height and width in pixels.
        digests: uint64 ``[images]`` of the file's bytes (BLAKE2b).
        hashes: uint64 ``[images]``, perceptual.
        thumbs: uint8 ``[images, 12, 12, 3]``.
        details: uint8 ``[images, 32, 32]``, the brightness in [0, 255].
        times: float64 ``[images]``, seconds on the camera's clock; NaN where unknown.
    """

    readable: npt.NDArray[np.bool_]
    sizes: npt.NDArray[np.int32]
    digests: npt.NDArray[np.uint64]
    hashes: npt.NDArray[np.uint64]
    thumbs: Pixels
    details: npt.NDArray[np.uint8]
    times: npt.NDArray[np.float64]

    @classmethod
    def of(cls, count: int) -> Fingerprints:
        """Allocate arrays for ``count`` images."""
        return cls(
            np.zeros(count, np.bool_),
            np.zeros((count, 2), np.int32),
            np.zeros(count, np.uint64),
            np.zeros(count, np.uint64),
            np.zeros((count, THUMB, THUMB, 3), np.uint8),
            np.zeros((count, DETAIL, DETAIL), np.uint8),
            np.full(count, np.nan),
        )

    def add(self, row: int, file: str, content: bytes, pixels: Pixels, fitted: Pixels | None = None) -> None:
        """Compute the fingerprint of one image and store it in its row.

        Args:
            row: the index of the image in the arrays.
            file: the file's name.
            content: the file's bytes.
            pixels: decoded.
            fitted: the image at the model's input size; saves a resize if that is 224 pixels.
        """
        if fitted is None or fitted.shape[:2] != (FITTED.height, FITTED.width):
            fitted = resize(pixels, FITTED)
        self.sizes[row] = pixels.shape[:2]
        self.hashes[row] = _perceptual_hash(fitted)
        self.thumbs[row], self.details[row] = thumbnail(fitted)
        self._note_file(row, file, content)

    def kept(self, row: int) -> bytes:
        """Return what ``add`` computes from an image's pixels, for ``restore``."""
        return b"".join(values[row].tobytes() for values in self._of_pixels)

    def restore(self, row: int, file: str, content: bytes, kept: bytes) -> None:
        """Do what ``add`` does, with the result of ``kept`` in place of the pixels."""
        start = 0
        for values in self._of_pixels:
            size = values[row].nbytes
            values[row] = np.frombuffer(kept[start : start + size], values.dtype).reshape(values.shape[1:])
            start += size
        self._note_file(row, file, content)

    @property
    def kept_bytes(self) -> int:
        """Number of bytes that ``kept`` returns."""
        return sum(values.itemsize * int(np.prod(values.shape[1:])) for values in self._of_pixels)

    @property
    def _of_pixels(self) -> tuple[npt.NDArray[Any], ...]:
        return self.sizes, self.hashes, self.thumbs, self.details

    def _note_file(self, row: int, file: str, content: bytes) -> None:
        self.digests[row] = content_digest(content)
        self.times[row] = capture_time(file, content)
        self.readable[row] = True


def content_digest(content: bytes) -> int:
    """Return 64 bits of a hash of a file's bytes (BLAKE2b)."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big")


def _perceptual_hash(pixels: Pixels) -> int:
    """Compute 64 bits: whether each of the 8x8 lowest frequencies is above their median (pHash: Zauner, 2010)."""
    from scipy.fft import dct

    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_HASHED, _HASHED), interpolation=cv2.INTER_AREA)
    lowest = dct(dct(small, axis=0), axis=1)[:8, :8]
    return int.from_bytes(np.packbits(lowest > np.median(lowest)).tobytes(), "big")
