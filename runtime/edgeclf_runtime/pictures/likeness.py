"""When two images look alike: as a whole, in their pattern, and in every part.

Means of 12x12 places say whether they agree as a whole, of 32x32 whether a small thing is there in one alone. Training
uses it to keep near-duplicates in one part of the split, a device to keep no image twice.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.pictures.preprocess import Pixels, Preprocessing, resize

__all__ = ["DETAIL", "DIFFERENCE", "FITTED", "LOCAL", "NOISE", "THUMB", "alike", "thumbnail"]

THUMB, DETAIL = 12, 32  # pixels
FITTED = Preprocessing(224, 224)
"""What thumbnails are made of, whatever the model's input is: likeness must not depend on it."""

# Of 300 photographs resized to between 25% and 150% and encoded anew at quality 30 to 85, all stay within these;
# of 3.2 million pairs of TrashNet's different photographs none does. See docs/figures.md and `make bench-groups`.
DIFFERENCE = 4.0
"""Mean, of the thumbnails' values in 0..255."""
NOISE = 1.0
"""A mean difference that needs no correlation: images of almost one colour have none."""
LOCAL = 8.0
"""The largest difference of a place in 32x32 beyond half of its contrast with its neighbours."""
_CORRELATION = 0.994  # of the thumbnails


def thumbnail(fitted: Pixels) -> tuple[Pixels, npt.NDArray[np.uint8]]:
    """What likeness is judged by: uint8 RGB ``[12, 12, 3]``, and brightness, uint8 ``[32, 32]``.

    Args:
        fitted: uint8 RGB, resized by ``FITTED``; another size is resized here.
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
    """Whether the images of each pair are alike.

    Args:
        thumbs: of both sides, uint8 ``[pairs, 12, 12, 3]``.
        details: of both sides, uint8 ``[pairs, 32, 32]``.
        difference: mean of the thumbnails' values, at most, where their patterns correlate.
        local: of any place beyond half of its contrast, at most.
        noise: mean difference up to which patterns need not correlate.

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


def _largest_difference(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Of any part of the images, beyond what resizing and encoding do to edges: half of the contrast there."""
    contrast = np.minimum(_contrast(a), _contrast(b)).astype(np.float32)
    apart = a.astype(np.float32) - b
    apart -= np.median(apart, axis=(1, 2), keepdims=True) if len(apart) else 0
    return np.asarray((np.abs(apart) - contrast / 2).max(axis=(1, 2), initial=-255), np.float32)


def _contrast(details: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The range of values in the 3x3 places about each."""
    wide = np.pad(details, ((0, 0), (1, 1), (1, 1)), mode="edge")
    low, high = wide, wide
    for axis in (1, 2):
        size = low.shape[axis] - 2
        shifted = [np.take(low, range(start, start + size), axis) for start in range(3)]
        low = np.minimum(np.minimum(shifted[0], shifted[1]), shifted[2])
        shifted = [np.take(high, range(start, start + size), axis) for start in range(3)]
        high = np.maximum(np.maximum(shifted[0], shifted[1]), shifted[2])
    return np.asarray(high - low, np.uint8)
