"""Detect near-duplicates: images that agree as a whole, in their pattern, and in every part.

Thumbnails of 12x12 show whether two images agree as a whole, thumbnails of 32x32 whether a small object is in only one
of them. Training uses this to keep near-duplicates in one part of the split, a device to store no image twice.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.pictures.preprocess import Pixels, Preprocessing, resize

__all__ = ["DETAIL", "DIFFERENCE", "FITTED", "LOCAL", "NOISE", "THUMB", "alike", "differ_in_one_place", "thumbnail"]

THUMB, DETAIL = 12, 32  # pixels
FITTED = Preprocessing(224, 224)
"""Size from which thumbnails are made, independent of the model's input."""

# All of 300 photographs resized to between 25% and 150% and encoded again at quality 30 to 85 stay within these limits;
# none of 3.2 million pairs of TrashNet's different photographs does. See docs/figures.md and `make bench-groups`.
DIFFERENCE = 4.0
"""Largest mean difference of the thumbnails' values, 0 to 255."""
NOISE = 1.0
"""Mean difference up to which no correlation is needed: images of almost one colour have none."""
LOCAL = 8.0
"""Largest difference of a pixel of the 32x32 thumbnail beyond half of its contrast with its neighbours."""
_CORRELATION = 0.994  # smallest correlation of the thumbnails
_ONE_PLACE = 9.5  # ratio of the largest difference to the mean one; resizing and a JPEG's quality change all edges


def thumbnail(fitted: Pixels) -> tuple[Pixels, npt.NDArray[np.uint8]]:
    """Return the thumbnails to compare: uint8 RGB ``[12, 12, 3]`` and brightness, uint8 ``[32, 32]``.

    Args:
        fitted: uint8 RGB, resized by ``FITTED``; any other size is resized here.
    """
    import cv2

    if fitted.shape[:2] != (FITTED.height, FITTED.width):
        fitted = resize(fitted, FITTED)
    thumb = cv2.resize(fitted, (THUMB, THUMB), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(fitted, cv2.COLOR_RGB2GRAY)
    detail = cv2.resize(grey, (DETAIL, DETAIL), interpolation=cv2.INTER_AREA)
    return np.asarray(thumb, np.uint8), np.asarray(detail, np.uint8)


def alike(
    thumbs: tuple[Pixels, Pixels],
    details: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]],
    difference: float = DIFFERENCE,
    local: float = LOCAL,
    noise: float = NOISE,
) -> npt.NDArray[np.bool_]:
    """Return which pairs of images are near-duplicates.

    Args:
        thumbs: colour thumbnails of both sides, uint8 ``[pairs, 12, 12, 3]``.
        details: brightness thumbnails of both sides, uint8 ``[pairs, 32, 32]``.
        difference: largest mean difference, see ``DIFFERENCE``.
        local: largest local difference, see ``LOCAL``.
        noise: mean difference up to which no correlation is needed, see ``NOISE``.

    Returns:
        bool ``[pairs]``.
    """
    a, b = (side.reshape(len(side), THUMB * THUMB, 3).astype(np.float32) for side in thumbs)
    apart = np.abs(a - b).mean(axis=(1, 2))
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    spread = np.sqrt((a * a).mean(axis=(1, 2)) * (b * b).mean(axis=(1, 2)))
    correlated = (a * b).mean(axis=(1, 2)) >= _CORRELATION * spread
    agree = np.asarray((apart <= noise) | (correlated & (apart <= difference)), np.bool_)
    agree[agree] = _largest_difference(details[0][agree], details[1][agree]) <= local
    return agree


def differ_in_one_place(details: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]) -> npt.NDArray[np.bool_]:
    """Return which pairs differ far more in one place than elsewhere, as by a scratch or a small object.

    Args:
        details: brightness thumbnails of both sides, uint8 ``[pairs, 32, 32]``.

    Returns:
        bool ``[pairs]``.
    """
    apart = _differences(*details)
    return np.asarray(apart.max(axis=(1, 2), initial=0) > _ONE_PLACE * (apart.mean(axis=(1, 2)) + 0.5), np.bool_)


def _largest_difference(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the largest local difference beyond half of the contrast, which is what resizing does to edges."""
    contrast = np.minimum(_contrast(a), _contrast(b)).astype(np.float32)
    return np.asarray((_differences(a, b) - contrast / 2).max(axis=(1, 2), initial=-255), np.float32)


def _differences(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return how far each pixel is from its counterpart, apart from a change of the whole image's brightness."""
    apart = a.astype(np.float32) - b
    return np.asarray(np.abs(apart - np.median(apart, axis=(1, 2), keepdims=True)) if len(apart) else apart, np.float32)


def _contrast(details: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the range of values in the 3x3 pixels around each pixel."""
    wide = np.pad(details, ((0, 0), (1, 1), (1, 1)), mode="edge")
    low, high = wide, wide
    for axis in (1, 2):
        size = low.shape[axis] - 2
        shifted = [np.take(low, range(start, start + size), axis) for start in range(3)]
        low = np.minimum(np.minimum(shifted[0], shifted[1]), shifted[2])
        shifted = [np.take(high, range(start, start + size), axis) for start in range(3)]
        high = np.maximum(np.maximum(shifted[0], shifted[1]), shifted[2])
    return np.asarray(high - low, np.uint8)
