"""Preprocess an image of any size to the input tensor: the one implementation, for training and on the device.

Only operations that give the same bits on every processor are used: an integer box reduction where the image is
at least twice the input, then OpenCV's INTER_LINEAR_EXACT (its LINEAR and AREA differ between x86-64 and ARM).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.errors import ImageError, ModelError

__all__ = ["InputEncoder", "Pixels", "Preprocessing", "min_side", "resize"]

Pixels = npt.NDArray[np.uint8]

_RESIZES = ("stretch", "crop")
_JPEGS = ("full", "reduced")
_COLORS = ("RGB", "BGR")


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes the network's input; only this module applies it.

    Attributes:
        width, height: width and height of the input tensor, in pixels.
        color: order of the channels the network expects, ``"RGB"`` or ``"BGR"``.
        resize: ``"stretch"`` uses the whole image; ``"crop"`` its centre, with the input's aspect ratio.
        crop: with ``"crop"``, the share of the largest possible centre crop that is kept, in (0, 1].
        mean, std: one value per channel in the network's order; the network sees ``(pixel - mean) / std``.
        jpeg: how JPEGs are decoded: ``"full"``, at their own size; ``"reduced"``, at the smallest of 1, 1/2, 1/4 and
            1/8 of it whose width and height are at least those of the input (see ``min_decoded_size``).
    """

    width: int
    height: int
    color: str = "RGB"
    resize: str = "stretch"
    crop: float = 1.0
    mean: tuple[float, ...] = (127.0, 127.0, 127.0)
    std: tuple[float, ...] = (128.0, 128.0, 128.0)
    jpeg: str = "full"

    def __post_init__(self) -> None:
        if self.color not in _COLORS:
            raise ModelError(f"Colour order {self.color!r}: expected one of {', '.join(_COLORS)}.")
        if self.resize not in _RESIZES:
            raise ModelError(f"Resize rule {self.resize!r}: expected one of {', '.join(_RESIZES)}.")
        if self.jpeg not in _JPEGS:
            raise ModelError(f"JPEG rule {self.jpeg!r}: expected one of {', '.join(_JPEGS)}.")
        if not 0 < self.crop <= 1:
            raise ModelError(f"Crop {self.crop}: expected a share in (0, 1].")
        if not (1 <= self.width <= 4096 and 1 <= self.height <= 4096):
            raise ModelError(f"Input size {self.width}x{self.height}: expected 1 to 4096 pixels a side.")
        if len(self.mean) != 3 or len(self.std) != 3:
            raise ModelError("Mean and std: expected three values each.")
        if not all(math.isfinite(m) for m in self.mean) or not all(math.isfinite(s) and s > 0 for s in self.std):
            raise ModelError("Mean and std: expected finite numbers, std above 0.")

    @property
    def min_decoded_size(self) -> tuple[int, int]:
        """Minimum width and height of a decoded, upright JPEG; (0, 0) if it is decoded at full size.

        They depend only on the input, not on ``crop`` or a camera's region, so that an image has the same pixels
        wherever it is decoded for this input size.
        """
        return (self.width, self.height) if self.jpeg == "reduced" else (0, 0)


def resize(pixels: Pixels, rule: Preprocessing) -> Pixels:
    """Resize an image to the network's input.

    Args:
        pixels: uint8 RGB, ``[height, width, 3]``, any size from 1x1.
        rule: input size and how to resize.

    Returns:
        uint8, ``[rule.height, rule.width, 3]``, channels in ``rule.color`` order.

    Raises:
        ImageError: not a uint8 array of three channels.
    """
    import cv2

    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        got = f"{pixels.dtype} {list(pixels.shape)}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
        raise ImageError(f"Expected a uint8 RGB image [height, width, 3], got {got}.")
    if 0 in pixels.shape:
        raise ImageError("Expected an image, got one without pixels.")
    if rule.resize == "crop":
        pixels = _centre(pixels, rule)
    pixels = _reduce(pixels, rule)
    if pixels.shape[:2] != (rule.height, rule.width):
        pixels = np.asarray(
            cv2.resize(pixels, (rule.width, rule.height), interpolation=cv2.INTER_LINEAR_EXACT), np.uint8
        )
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) if rule.color == "BGR" else np.ascontiguousarray(pixels))


def min_side(rule: Preprocessing, region: tuple[float, float] = (1.0, 1.0)) -> int:
    """Return the shortest side, in pixels, of an image that is not enlarged by ``resize``.

    Args:
        rule: input size and how to resize.
        region: width and height of the part that is used, as shares of the image's.
    """
    share = rule.crop if rule.resize == "crop" else 1.0
    return math.ceil(max(rule.width / region[0], rule.height / region[1]) / share)


def _centre(pixels: Pixels, rule: Preprocessing) -> Pixels:
    height, width = pixels.shape[:2]
    scale = min(height / rule.height, width / rule.width) * rule.crop
    inner_h, inner_w = max(1, round(rule.height * scale)), max(1, round(rule.width * scale))
    top, left = (height - inner_h) // 2, (width - inner_w) // 2
    return pixels[top : top + inner_h, left : left + inner_w]


def _reduce(pixels: Pixels, rule: Preprocessing) -> Pixels:
    """Average boxes of ky x kx pixels, rounded half up; pixels that do not fill a box are cropped from both sides."""
    import cv2

    ky, kx = max(1, pixels.shape[0] // rule.height), max(1, pixels.shape[1] // rule.width)
    if ky == 1 and kx == 1:
        return pixels
    height, width = pixels.shape[0] // ky, pixels.shape[1] // kx
    top, left = (pixels.shape[0] - height * ky) // 2, (pixels.shape[1] - width * kx) // 2
    pixels = pixels[top : top + height * ky, left : left + width * kx]
    if ky <= 2 and kx <= 2:  # gives the same values: halfway between two pixels the weights are exactly 1/2
        return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR_EXACT), np.uint8)
    kind: Any = np.uint16 if 255 * ky * kx + ky * kx // 2 < 1 << 16 else np.uint32
    # Add whole rows first: that is most of the work, and their pixels are contiguous in memory.
    rows = pixels[::ky].astype(kind)
    for y in range(1, ky):
        rows += pixels[y::ky]
    # Transpose columns to rows for the same reason; OpenCV is faster, but has no uint32.
    columns: Any = cv2.transpose(rows) if kind is np.uint16 else np.ascontiguousarray(rows.transpose(1, 0, 2))
    total = columns[::kx] + kind(ky * kx // 2)
    for x in range(1, kx):
        total += columns[x::kx]
    total //= kind(ky * kx)
    return np.asarray(cv2.transpose(total.astype(np.uint8)), np.uint8)


class InputEncoder:
    """Convert pixels to the values of an input tensor: normalize and quantize with one table per channel.

    If the tensor's quantization equals the normalization (scale ``1/std``, zero point ``mean``), the table is the
    identity and the pixels are passed on unchanged.

    Args:
        rule: mean and std per channel.
        dtype: of the tensor: uint8, int8 or float32.
        scale, zero_point: of the tensor; ignored for float32.
    """

    def __init__(self, rule: Preprocessing, dtype: npt.DTypeLike, scale: float, zero_point: int) -> None:
        self.dtype = np.dtype(dtype)
        value = (np.arange(256, dtype=np.float64)[:, None] - np.array(rule.mean)) / np.array(rule.std)
        if self.dtype == np.float32:
            self._table = value.astype(np.float32)
        elif self.dtype in (np.uint8, np.int8):
            limits = np.iinfo(self.dtype)
            steps = np.floor(value / scale + 0.5) + zero_point
            self._table = np.clip(steps, limits.min, limits.max).astype(self.dtype)
        else:
            raise ImageError(f"Expected an input tensor of uint8, int8 or float32, got {self.dtype}.")
        plain = np.arange(256)[:, None]
        self.is_identity = self.dtype == np.uint8 and bool((self._table == plain).all())

    def __call__(self, pixels: Pixels) -> npt.NDArray[np.generic]:
        """Convert uint8 ``[height, width, 3]`` to the tensor's type, with the same shape."""
        if self.is_identity:
            return pixels
        import cv2

        return np.asarray(cv2.LUT(pixels, self._table[np.newaxis]), self.dtype)
