"""What is remembered of every picture while it is decoded, to find those that are alike."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edgeclf.data.capture_time import capture_time
from edgeclf_runtime.pictures.likeness import DETAIL, FITTED, THUMB, thumbnail
from edgeclf_runtime.pictures.preprocess import Pixels, resize

__all__ = ["Fingerprints"]

_HASHED = 32  # pixels: what a 64-bit perceptual hash looks at


@dataclass(frozen=True, eq=False)
class Fingerprints:
    """About 1.5 KB a picture; rows of unreadable files are zero.

    Attributes:
        readable: bool ``[pictures]``.
        sizes: int32 ``[pictures, 2]``, height and width in pixels.
        digests: uint64 ``[pictures]`` of the file's bytes (BLAKE2b).
        hashes: uint64 ``[pictures]``, perceptual.
        thumbs: uint8 ``[pictures, 12, 12, 3]``.
        details: uint8 ``[pictures, 32, 32]``, brightness.
        times: float64 ``[pictures]``, seconds on the camera's clock; NaN where they are not known.
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
        """Room for so many pictures."""
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
        """Take one picture.

        Args:
            file: its name.
            content: the file's bytes.
            pixels: decoded.
            fitted: the same at a model's input size, which saves work where that is 224 pixels.
        """
        if fitted is None or fitted.shape[:2] != (FITTED.height, FITTED.width):
            fitted = resize(pixels, FITTED)
        self.sizes[row] = pixels.shape[:2]
        self.digests[row] = int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big")
        self.hashes[row] = _perceptual_hash(fitted)
        self.thumbs[row], self.details[row] = thumbnail(fitted)
        self.times[row] = capture_time(file, content)
        self.readable[row] = True


def _perceptual_hash(pixels: Pixels) -> int:
    """64 bits: whether each of an image's 8x8 lowest frequencies is above their median (pHash: Zauner, 2010)."""
    from scipy.fft import dct

    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_HASHED, _HASHED), interpolation=cv2.INTER_AREA)
    lowest = dct(dct(small, axis=0), axis=1)[:8, :8]
    return int.from_bytes(np.packbits(lowest > np.median(lowest)).tobytes(), "big")
