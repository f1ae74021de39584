"""Images that no model was trained on: drawn here, or cropped from the two photographs of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from edgeclf_runtime.pictures.preprocess import Pixels

__all__ = ["FOREIGN", "foreign_images"]

_SIDE = 256  # width and height in pixels
_OCTAVES = 6


def foreign_images(name: str, count: int) -> list[Pixels]:
    """Return images of one kind, uint8 RGB ``[256, 256, 3]``, the same ones every time.

    Args:
        name: a key of ``FOREIGN``.
        count: number of images.
    """
    rng = np.random.default_rng(list(FOREIGN).index(name))
    return [np.ascontiguousarray(np.clip(FOREIGN[name](rng), 0, 255), np.uint8) for _ in range(count)]


def _photograph(rng: np.random.Generator) -> np.ndarray:
    """Crop one of two photographs, a building and a flower."""
    from sklearn.datasets import load_sample_images

    pixels = load_sample_images().images[int(rng.integers(2))]
    side = int(rng.integers(160, min(pixels.shape[:2])))
    top, left = (int(rng.integers(size - side + 1)) for size in pixels.shape[:2])
    return np.asarray(cv2.resize(pixels[top : top + side, left : left + side], (_SIDE, _SIDE)))


def _drawing(rng: np.random.Generator) -> np.ndarray:
    """Draw lines, circles, boxes and words on a light ground."""
    image = np.full((_SIDE, _SIDE, 3), rng.integers(180, 256, 3), np.uint8)
    for _ in range(int(rng.integers(2, 9))):
        color = tuple(int(value) for value in rng.integers(0, 256, 3))
        start, end = (tuple(int(value) for value in rng.integers(0, _SIDE, 2)) for _ in range(2))
        thickness = int(rng.choice([-1, 2, 4]))
        kind = int(rng.integers(4))
        if kind == 0:
            cv2.line(image, start, end, color, abs(thickness))
        elif kind == 1:
            cv2.circle(image, start, int(rng.integers(5, 70)), color, thickness)
        elif kind == 2:
            cv2.rectangle(image, start, end, color, thickness)
        else:
            cv2.putText(image, "edge", start, cv2.FONT_HERSHEY_SIMPLEX, float(rng.uniform(0.5, 2)), color, 2)
    return image


def _texture(rng: np.random.Generator) -> np.ndarray:
    """Sum noise at several scales, in grey or in colour."""
    total, channels = np.zeros((_SIDE, _SIDE, 3)), int(rng.choice([1, 3]))
    fall = rng.uniform(0.2, 1.2)
    for octave in range(1, _OCTAVES + 1):
        noise = rng.normal(0, 1, (2**octave, 2**octave, channels)).astype(np.float32)
        scaled = cv2.resize(noise, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC).reshape(_SIDE, _SIDE, channels)
        total += scaled / octave**fall
    low, high = total.min(), total.max()
    return np.asarray((total - low) / (high - low) * 255)


def _noise(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(rng.uniform(60, 200), rng.uniform(10, 70), (_SIDE, _SIDE, 3))


def _empty_scene(rng: np.random.Generator) -> np.ndarray:
    """Draw a wall, often with a table in front, in uneven light with camera noise."""
    down = np.linspace(rng.uniform(0.6, 1), rng.uniform(0.8, 1.3), _SIDE)[:, None, None]
    across = np.linspace(rng.uniform(0.7, 1), rng.uniform(0.8, 1.2), _SIDE)[None, :, None]
    image = rng.uniform(40, 230, 3) * down * across
    edge = int(rng.uniform(0.4, 1.2) * _SIDE)
    image[edge:] *= rng.uniform(0.4, 0.9, 3)
    return np.asarray(image + rng.normal(0, rng.uniform(1, 8), image.shape))


FOREIGN: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "photographs": _photograph,
    "drawings": _drawing,
    "textures": _texture,
    "noise": _noise,
    "empty scenes": _empty_scene,
}
"""What draws an image of each kind."""
