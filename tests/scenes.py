"""Simulated images of a fixed camera: independent shots of one view, with and without an object."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_sample_images

__all__ = ["SCENES", "patterned", "table", "write_scene"]

Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]
Shots = Iterator[tuple[str, Pixels]]

_WIDTH, _HEIGHT = 320, 240


def _background(turn: int) -> Floats:
    return cv2.resize(load_sample_images().images[turn], (_WIDTH, _HEIGHT)).astype(np.float32)


def _taken(pixels: Floats, rng: np.random.Generator, noise: float) -> Pixels:
    """Return the image with a random exposure and sensor noise."""
    seen = pixels * rng.uniform(0.97, 1.03) + rng.normal(0, noise, pixels.shape)
    return np.clip(seen, 0, 255).astype(np.uint8)


def table(share: float, count: int, seed: int = 0, turn: int = 0, noise: float = 4.0) -> Shots:
    """Return ``count`` images each of nothing, a bird and a squirrel, of this share of the image's height, anywhere."""
    rng, background = np.random.default_rng(seed), _background(turn)
    side = max(4, int(share * _HEIGHT))
    for label, colour in (("empty", None), ("bird", (40, 60, 160)), ("squirrel", (120, 70, 20))):
        for _ in range(count):
            pixels = background.copy()
            x, y = int(rng.integers(side, _WIDTH - side)), int(rng.integers(side, _HEIGHT - side))
            if label == "bird":
                cv2.ellipse(pixels, (x, y), (side // 2, side // 4), 20, 0, 360, colour, -1)
            elif label == "squirrel":
                cv2.rectangle(pixels, (x - side // 2, y - side // 2), (x + side // 2, y + side // 2), colour, -1)
            yield label, _taken(pixels, rng, noise)


def part(count: int, seed: int = 0, noise: float = 4.0) -> Shots:
    """Return images of a part under a camera, shifted by up to twelve pixels; half of them have a scratch."""
    rng = np.random.default_rng(seed)
    for label in ("ok", "scratch"):
        for _ in range(count):
            pixels = np.full((_HEIGHT, _WIDTH, 3), 90, np.float32)
            dx, dy = rng.integers(-6, 7, 2)
            cv2.rectangle(pixels, (80 + dx, 60 + dy), (240 + dx, 180 + dy), (170, 170, 175), -1)
            cv2.circle(pixels, (120 + dx, 120 + dy), 18, (60, 60, 60), -1)
            if label == "scratch":
                x, y = rng.integers(140, 220), rng.integers(70, 170)
                cv2.line(pixels, (int(x + dx), int(y + dy)), (int(x + dx + 14), int(y + dy + 8)), (230, 230, 230), 1)
            yield label, _taken(pixels, rng, noise)


def patterned(count: int, seed: int = 0, noise: float = 3.0) -> Shots:
    """Return images of a part with a pattern, moved by up to twenty pixels each way; half of them have a scratch."""
    rng, pattern = np.random.default_rng(seed), cv2.resize(_background(1), (160, 120))
    for label in ("ok", "scratch"):
        for _ in range(count):
            own, pixels = pattern.copy(), np.full((_HEIGHT, _WIDTH, 3), 90, np.float32)
            if label == "scratch":
                x, y = int(rng.integers(15, 125)), int(rng.integers(15, 90))
                cv2.line(
                    own, (x, y), (x + int(rng.integers(5, 20)), y + int(rng.integers(-10, 10))), (240, 240, 240), 1
                )
            left, top = (int(start + moved) for start, moved in zip((80, 60), rng.integers(-20, 21, 2), strict=True))
            pixels[top : top + 120, left : left + 160] = own
            yield label, _taken(pixels, rng, noise)


SCENES: dict[str, Callable[[int], Shots]] = {
    "table, things of 10%": lambda count: table(0.1, count),
    "table, things of 20%": lambda count: table(0.2, count),
    "table, things of 30%": lambda count: table(0.3, count),
    "flower bed, things of 15%": lambda count: table(0.15, count, turn=1),
    "table at night, noise of 20": lambda count: table(0.2, count, noise=20.0),
    "part, ok or scratched": part,
}
"""Generators by name; each gives (label, uint8 RGB [240, 320, 3]), so many of every label."""


def write_scene(shots: Shots, folder: Path, name: Callable[[int], str] = "{:03}.jpg".format) -> Path:
    """Write one folder per label; files are named by their number."""
    counts: dict[str, int] = {}
    for label, pixels in shots:
        number = counts[label] = counts.get(label, -1) + 1
        (folder / label).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / label / name(number)), pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
    return folder
