"""Add camera faults to images: functions of the image, a strength and a random generator (after Hendrycks &
Dietterich, ICLR 2019, plus what happens to a camera that is left in place for months).

Strengths apply to images of the network's size: see ``camera_frame``.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgeclf_runtime.pictures.preprocess import Pixels, Preprocessing, min_side

__all__ = ["FAULTS", "REFERENCE", "CameraFault", "camera_frame", "with_fault"]

_GREY = np.array([0.299, 0.587, 0.114], np.float32)
_LONGEST = 4  # as a multiple of the network's side; the short side of a very long image gets smaller
_DROPS = 60  # drawn for every image; weaker faults use the first of them

Drawn = npt.NDArray[Any]


@dataclass(frozen=True)
class CameraFault:
    """A fault of a camera, its light or its position.

    Attributes:
        draw: takes an image, uint8 RGB ``[height, width, 3]``, a strength and a random generator; returns pixels still
            to be rounded and clipped to 0..255.
        strengths: weak, middle and strong.
        unit: of the strengths, for display, with a placeholder for the number.
        advice: what to do about it, in one line.
        is_held_out: whether training with ``camera`` never draws it.
    """

    draw: Callable[[Pixels, float, np.random.Generator], Drawn]
    strengths: tuple[float, float, float]
    unit: str
    advice: str
    is_held_out: bool = False

    def describe(self, level: int) -> str:
        """Return a strength, given as 0 to 2, with its unit."""
        return self.unit.format(self.strengths[level])


def camera_frame(pixels: Pixels, rule: Preprocessing) -> Pixels:
    """Return the image at the size at which the network sees it, uncropped, with its own aspect ratio.

    A fault measured in pixels is then equally strong in a phone's photographs and a webcam's frames.
    """
    height, width = pixels.shape[:2]
    scale = min_side(rule) * min(1 / min(height, width), _LONGEST / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(
        cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR), np.uint8
    )


def with_fault(pixels: Pixels, name: str, level: int, seed: int = 0) -> Pixels:
    """Add a fault to an image; equal images, seeds and names draw the same random numbers at every strength.

    Args:
        pixels: uint8 RGB ``[height, width, 3]``.
        name: a key of ``FAULTS``.
        level: 0 weak, 1 middle, 2 strong.
        seed: random seed for places, directions and noise.

    Returns:
        uint8 RGB of the same shape.
    """
    fault = FAULTS[name]
    rng = np.random.default_rng([seed, zlib.crc32(name.encode()), zlib.crc32(np.ascontiguousarray(pixels).tobytes())])
    drawn = fault.draw(pixels, fault.strengths[level], rng)
    return np.asarray(np.clip(np.rint(drawn), 0, 255), np.uint8)


def _noise(pixels: Pixels, levels: float, rng: np.random.Generator) -> Drawn:
    return pixels + levels * rng.standard_normal(pixels.shape, np.float32)


def _motion(pixels: Pixels, share: float, rng: np.random.Generator) -> Drawn:
    """Blur along a line at a random angle."""
    length, angle = max(2.0, share * min(pixels.shape[:2])), rng.uniform(0, math.pi)
    half = math.ceil(length / 2)
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    for step in np.linspace(-length / 2, length / 2, 4 * half + 1):
        kernel[half + round(step * math.sin(angle)), half + round(step * math.cos(angle))] += 1.0
    return np.asarray(cv2.filter2D(pixels, -1, kernel / kernel.sum()), np.uint8)


def _focus(pixels: Pixels, share: float, _: np.random.Generator) -> Drawn:
    """Spread every point over a disc."""
    radius = share * min(pixels.shape[:2])
    half = math.ceil(radius)
    across = np.arange(-half, half + 1)
    distance = np.hypot(across[:, None], across[None, :])
    kernel = np.clip(radius + 0.5 - distance, 0, 1).astype(np.float32)
    return np.asarray(cv2.filter2D(pixels, -1, kernel / kernel.sum()), np.uint8)


def _brightness(pixels: Pixels, factor: float, _: np.random.Generator) -> Drawn:
    return pixels * np.float32(factor)


def _cast(pixels: Pixels, share: float, rng: np.random.Generator) -> Drawn:
    """Shift the white balance towards red or towards blue."""
    towards = share if rng.random() < 0.5 else -share
    return pixels * np.array([1 + towards, 1, 1 - towards], np.float32)


def _grey(pixels: Pixels, share: float, _: np.random.Generator) -> Drawn:
    luma = (pixels @ _GREY)[:, :, None]
    return luma + (pixels - luma) * np.float32(1 - share)


def _low_contrast(pixels: Pixels, share: float, _: np.random.Generator) -> Drawn:
    middle = np.float32((pixels @ _GREY).mean())
    return middle + (pixels - middle) * np.float32(share)


def _jpeg(pixels: Pixels, quality: float, _: np.random.Generator) -> Drawn:
    content = cv2.imencode(".jpg", pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(quality)])[1]
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR), np.uint8)[:, :, ::-1]


def _low_resolution(pixels: Pixels, share: float, _: np.random.Generator) -> Drawn:
    height, width = pixels.shape[:2]
    small = cv2.resize(
        pixels, (max(1, round(width * share)), max(1, round(height * share))), interpolation=cv2.INTER_AREA
    )
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _tilt(pixels: Pixels, degrees: float, rng: np.random.Generator) -> Drawn:
    return _moved(pixels, degrees=degrees if rng.random() < 0.5 else -degrees)


def _further_away(pixels: Pixels, scale: float, _: np.random.Generator) -> Drawn:
    return _moved(pixels, scale=scale)


def _cut_off(pixels: Pixels, share: float, rng: np.random.Generator) -> Drawn:
    """Shift the image partly out of the frame on one of its four sides."""
    right, down = ((1, 0), (-1, 0), (0, 1), (0, -1))[int(rng.integers(4))]
    return _moved(pixels, right=right * share, down=down * share)


def _moved(pixels: Pixels, degrees: float = 0, scale: float = 1, right: float = 0, down: float = 0) -> Drawn:
    """Rotate, shrink and shift an image; its edges are extended around it, blurred, like a wall or a table.

    Args:
        degrees: counterclockwise, about the centre.
        right, down: as shares of width and height.
    """
    height, width = pixels.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, scale)
    matrix[:, 2] += right * width, down * height
    inside = cv2.warpAffine(np.ones((height, width), np.float32), matrix, (width, height))[:, :, None]
    around = cv2.warpAffine(pixels, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    blurred = cv2.GaussianBlur(around, (0, 0), 0.03 * min(height, width))
    return np.asarray(inside * around + (1 - inside) * blurred, np.float32)


def _glare(pixels: Pixels, share: float, rng: np.random.Generator) -> Drawn:
    """Wash out the area around a point."""
    light = _spot(pixels, rng.uniform(0.15, 0.85, 2), share)[:, :, None]
    return pixels + (255 - pixels.astype(np.float32)) * light


def _spot(pixels: Pixels, middle: npt.NDArray[np.float64], share: float) -> npt.NDArray[np.float32]:
    """Return 1 at a point, falling off around it: ``[height, width]``."""
    height, width = pixels.shape[:2]
    down = np.exp(-0.5 * ((np.arange(height) - middle[0] * height) / (share * height)) ** 2)
    across = np.exp(-0.5 * ((np.arange(width) - middle[1] * width) / (share * width)) ** 2)
    return np.asarray(down[:, None] * across[None, :], np.float32)


def _drops(pixels: Pixels, count: float, rng: np.random.Generator) -> Drawn:
    """Cover parts of the lens with drops or specks; behind them, the image is blurred and brownish."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    mask = np.zeros((height, width), np.float32)
    places, radii = rng.uniform(0, 1, (_DROPS, 2)), rng.uniform(0.02, 0.07, _DROPS)
    for (y, x), radius in list(zip(places, radii, strict=True))[: int(count)]:
        cv2.circle(mask, (int(x * width), int(y * height)), max(1, round(radius * side)), 1.0, -1)
    covered = cv2.GaussianBlur(mask, (0, 0), 0.01 * side)[:, :, None]
    blurred = cv2.GaussianBlur(pixels, (0, 0), 0.05 * side).astype(np.float32)
    behind = 0.5 * blurred + 0.5 * np.array([70, 62, 50], np.float32)
    return np.asarray(pixels * (1 - covered) + behind * covered, np.float32)


def _bands(pixels: Pixels, depth: float, rng: np.random.Generator) -> Drawn:
    """Darken rows in waves, as a rolling shutter shows the flicker of lamps."""
    rows = np.arange(pixels.shape[0]) / pixels.shape[0]
    wave = 0.5 + 0.5 * np.sin(2 * np.pi * (rng.uniform(2, 5) * rows + rng.random()))
    return np.asarray(pixels * (1 - depth * wave)[:, None, None], np.float32)


FAULTS: dict[str, CameraFault] = {
    "noise": CameraFault(
        _noise, (8, 15, 30), "{:g} levels", "Add light, or allow a longer exposure and less gain (ISO)."
    ),
    "motion blur": CameraFault(
        _motion,
        (0.02, 0.04, 0.08),
        "{:.0%} of the side",
        "Shorten the exposure, add light, mount the camera firmly.",
        True,
    ),
    "out of focus": CameraFault(
        _focus, (0.006, 0.012, 0.024), "radius {:.1%} of the side", "Focus at the distance of the objects, and lock it."
    ),
    "dark": CameraFault(
        _brightness, (0.6, 0.35, 0.2), "{:.0%} of the brightness", "Add a lamp, or lengthen the exposure."
    ),
    "overexposed": CameraFault(
        _brightness, (1.4, 1.8, 2.5), "{:.0%} of the brightness", "Meter on the objects, or shorten the exposure."
    ),
    "colour cast": CameraFault(
        _cast, (0.12, 0.25, 0.4), "red and blue by {:.0%}", "Set the white balance by hand, under the lamps in use."
    ),
    "grey": CameraFault(
        _grey, (0.5, 0.8, 1.0), "{:.0%} of the colour lost", "Leave night mode: it has no colours. Add visible light."
    ),
    "low contrast": CameraFault(
        _low_contrast, (0.6, 0.4, 0.2), "{:.0%} of the contrast", "Clean the lens, avoid mist and backlight."
    ),
    "JPEG": CameraFault(
        _jpeg, (30, 15, 7), "quality {:g}", "Raise the camera's JPEG quality or bit rate, or lower its size.", True
    ),
    "tilt": CameraFault(_tilt, (10, 20, 35), "{:g} degrees", "Level the camera, or add tilted photographs.", True),
    "low resolution": CameraFault(
        _low_resolution, (0.6, 0.4, 0.25), "{:g} of the network's pixels", "Raise the camera's size, or set a region."
    ),
    "further away": CameraFault(
        _further_away, (0.8, 0.6, 0.4), "{:g} of the size", "Set a region around the objects, or move closer."
    ),
    "cut off": CameraFault(
        _cut_off,
        (0.15, 0.3, 0.45),
        "{:.0%} of the image",
        "Aim the camera so that the whole object is in the image.",
        True,
    ),
    "glare": CameraFault(
        _glare, (0.1, 0.2, 0.35), "over {:.0%} of the side", "Shade the lens, move the lamp, turn the camera.", True
    ),
    "rain or dirt": CameraFault(_drops, (8, 20, 50), "{:g} drops", "Clean the lens, put a roof over it.", True),
    "rolling bands": CameraFault(
        _bands,
        (0.3, 0.55, 0.8),
        "{:.0%} darker",
        "Set the mains frequency (50 or 60 Hz), or use lamps without flicker.",
        True,
    ),
}
"""The faults by name."""

REFERENCE: tuple[tuple[str, int], ...] = (
    ("noise", 1),
    ("noise", 2),
    ("motion blur", 1),
    ("out of focus", 1),
    ("dark", 1),
    ("overexposed", 1),
    ("colour cast", 1),
    ("low contrast", 1),
    ("JPEG", 1),
    ("tilt", 1),
    ("low resolution", 1),
    ("grey", 2),
    ("further away", 1),
)
"""The 13 faults and strengths whose mean compares models."""
