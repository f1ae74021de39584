"""Images of objects that no model was trained on: drawn here, or cropped from images in installed packages."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edgeclf_runtime.pictures.images import read_image

__all__ = ["FOREIGN", "draw"]

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

_WIDTH, _HEIGHT = 320, 240
_PHOTOGRAPHS = ("astronaut.png", "coffee.png", "rocket.jpg", "motorcycle_left.png", "retina.jpg", "ihc.png")
_TEXTURES = ("brick.png", "grass.png", "gravel.png", "moon.png", "hubble_deep_field.jpg")


def draw(name: str, count: int, seed: int) -> list[Pixels]:
    """Return this many images of a set of ``FOREIGN``; another seed gives others of the same kind.

    Returns:
        uint8 RGB ``[240, 320, 3]`` each.
    """
    rng = np.random.default_rng([seed, list(FOREIGN).index(name)])
    return [FOREIGN[name](rng) for _ in range(count)]


@cache
def _packaged(package: str, folder: str, names: tuple[str, ...]) -> list[Pixels]:
    """Read images contained in an installed package."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return []
    place = Path(spec.submodule_search_locations[0]) / folder
    return [read_image(place / name) for name in names if (place / name).exists()]


@cache
def _photographs() -> list[Pixels]:
    from sklearn.datasets import load_sample_images

    person = _packaged("matplotlib", "mpl-data/sample_data", ("grace_hopper.jpg",))
    return [*load_sample_images().images, *person, *_packaged("skimage", "data", _PHOTOGRAPHS)]


@cache
def _digits() -> Floats:
    from sklearn.datasets import load_digits

    return np.asarray(load_digits().images, np.float64) / 16


def _crop(images: list[Pixels], rng: np.random.Generator) -> Pixels:
    """Crop 30% to 100% of an image's sides, mirrored or not."""
    image = images[rng.integers(len(images))]
    share = rng.uniform(0.3, 1)
    height, width = (max(8, int(share * side)) for side in image.shape[:2])
    top, left = (
        int(rng.integers(0, full - part + 1)) for full, part in zip(image.shape, (height, width), strict=False)
    )
    part = image[top : top + height, left : left + width]
    return _sized(part[:, ::-1] if rng.random() < 0.5 else part)


def _sized(pixels: npt.NDArray[np.generic]) -> Pixels:
    resized = cv2.resize(np.ascontiguousarray(pixels), (_WIDTH, _HEIGHT), interpolation=cv2.INTER_LINEAR)
    return np.clip(resized, 0, 255).astype(np.uint8)


def _colour(rng: np.random.Generator) -> Floats:
    return rng.uniform(0, 255, 3)


def _noise(rng: np.random.Generator) -> Pixels:
    """Return noise with grains of one to sixteen pixels, uniform or normal, grey or coloured."""
    grain = int(2 ** rng.integers(0, 5))
    shape = (_HEIGHT // grain, _WIDTH // grain, 3 if rng.random() < 0.7 else 1)
    values = rng.uniform(0, 255, shape) if rng.random() < 0.5 else rng.normal(128, rng.uniform(15, 70), shape)
    enlarged = np.broadcast_to(values, (*shape[:2], 3)).repeat(grain, 0).repeat(grain, 1)
    return np.clip(enlarged, 0, 255).astype(np.uint8)


def _waves(rng: np.random.Generator) -> Floats:
    """Return smooth noise of several octaves, 0..1, ``[240, 320]``."""
    total, weight = np.zeros((_HEIGHT, _WIDTH)), rng.uniform(0.3, 0.9)
    for octave in range(2, 8):
        coarse = rng.uniform(-1, 1, (3 * 2**octave // 4, 2**octave))
        total += weight**octave * cv2.resize(coarse, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.asarray((total - total.min()) / np.ptp(total), np.float64)


def _texture(rng: np.random.Generator) -> Pixels:
    """Return a photographed texture if there are any, or clouds, wood and marble between two colours."""
    photographed = _packaged("skimage", "data", _TEXTURES)
    if photographed and rng.random() < 0.5:
        return _crop(photographed, rng)
    values = _waves(rng)
    if rng.random() < 0.5:
        values = 0.5 + 0.5 * np.sin(values * rng.uniform(10, 80) + np.linspace(0, rng.uniform(0, 40), _WIDTH))
    return _between(values, rng)


def _between(values: Floats, rng: np.random.Generator) -> Pixels:
    first, second = _colour(rng), _colour(rng)
    return np.asarray(first + values[:, :, None] * (second - first), np.uint8)


def _plain(rng: np.random.Generator) -> Pixels:
    """Return one colour, a gradient, stripes or a checkerboard."""
    y, x = np.mgrid[0:_HEIGHT, 0:_WIDTH]
    angle, side = rng.uniform(0, np.pi), rng.integers(6, 80)
    along = np.cos(angle) * x / _WIDTH + np.sin(angle) * y / _HEIGHT
    kinds: tuple[Callable[[], Floats], ...] = (
        lambda: np.zeros(x.shape),
        lambda: (along - along.min()) / np.ptp(along),
        lambda: (along * _WIDTH // side % 2).astype(np.float64),
        lambda: ((x // side + y // side) % 2).astype(np.float64),
    )
    return _between(kinds[rng.integers(len(kinds))](), rng)


def _drawing(rng: np.random.Generator) -> Pixels:
    """Return lines, filled shapes and words on a plain ground."""
    pixels = np.full((_HEIGHT, _WIDTH, 3), _colour(rng) if rng.random() < 0.5 else 255.0, np.uint8)

    def point() -> tuple[int, int]:
        return int(rng.integers(0, _WIDTH)), int(rng.integers(0, _HEIGHT))

    for _ in range(rng.integers(3, 15)):
        colour, thick = tuple(map(int, _colour(rng))), int(rng.integers(1, 6))
        kind = rng.integers(5)
        if kind == 0:
            cv2.line(pixels, point(), point(), colour, thick)
        elif kind == 1:
            cv2.rectangle(pixels, point(), point(), colour, -1 if rng.random() < 0.5 else thick)
        elif kind == 2:
            cv2.circle(pixels, point(), int(rng.integers(4, 80)), colour, -1 if rng.random() < 0.5 else thick)
        elif kind == 3:
            cv2.fillPoly(pixels, [np.array([point() for _ in range(rng.integers(3, 7))], np.int32)], colour)
        else:
            word = "".join(map(chr, rng.integers(65, 91, rng.integers(1, 9))))
            cv2.putText(pixels, word, point(), int(rng.integers(0, 8)), float(rng.uniform(0.5, 3)), colour, thick)
    return pixels


def _empty(rng: np.random.Generator) -> Pixels:
    """Return a wall over a table or a belt in uneven light, with sensor noise: what a camera sees of an empty scene."""
    pixels = np.empty((_HEIGHT, _WIDTH, 3))
    horizon, grey = int(rng.uniform(-0.3, 0.8) * _HEIGHT), rng.uniform(60, 220)
    pixels[:] = grey + rng.normal(0, 15, 3)
    if horizon > 0:
        pixels[horizon:] = rng.uniform(30, 220) + rng.normal(0, 25, 3)
    if rng.random() < 0.5:  # grain of wood, cloth or concrete
        pixels += 30 * rng.random() * (_waves(rng)[:, :, None] - 0.5)
    if rng.random() < 0.3:  # a door's or a belt's edge
        left = int(rng.integers(20, _WIDTH - 20))
        pixels[:, left : left + int(rng.integers(2, 60))] *= rng.uniform(0.5, 1.2)
    y, x = np.mgrid[0:_HEIGHT, 0:_WIDTH]
    far = np.hypot(x - rng.uniform(0, _WIDTH), y - rng.uniform(0, _HEIGHT)) / _WIDTH
    pixels *= (1.15 - rng.uniform(0.1, 0.8) * far)[:, :, None]
    pixels += rng.normal(0, rng.uniform(1, 10), pixels.shape)
    return np.clip(pixels, 0, 255).astype(np.uint8)


def _digit(rng: np.random.Generator) -> Pixels:
    """Return a handwritten digit of 8x8 pixels, enlarged, dark on light or coloured."""
    values = _digits()[rng.integers(len(_digits()))]
    smooth = cv2.resize(values, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    return _sized(255 * (1 - smooth[:, :, None].repeat(3, 2))) if rng.random() < 0.5 else _between(smooth, rng)


FOREIGN: dict[str, Callable[[np.random.Generator], Pixels]] = {
    "photographs": lambda rng: _crop(_photographs(), rng),
    "textures": _texture,
    "noise": _noise,
    "plain": _plain,
    "drawings": _drawing,
    "empty scenes": _empty,
    "digits": _digit,
}
"""Generators by name; each returns one picture."""
