"""Noisy handwritten digits in many sizes and file formats: to train a network on, and for it to classify."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from sklearn.datasets import load_digits

from edgeclf.demo import digit_picture

__all__ = ["COUNT", "rows_to_classify", "rows_to_learn", "write_digits"]

COUNT = 200  # number of images to classify
_SUFFIXES = ("jpg", "png", "webp")


def _rows() -> list[int]:
    return [row for row, target in enumerate(load_digits().target) if target < 3]


def rows_to_classify() -> list[int]:
    """Return the rows of the first two hundred images of the digits 0, 1 and 2."""
    return _rows()[:COUNT]


def rows_to_learn() -> list[int]:
    """Return the rows of all other images."""
    return _rows()[COUNT:]


def write_digits(rows: list[int], seed: int, place: Callable[[int, int], Path]) -> None:
    """Write them to ``place(number, digit)``, with a suffix added."""
    random, data = np.random.default_rng(seed), load_digits()
    for number, row in enumerate(rows):
        size = (int(random.integers(40, 400)), int(random.integers(40, 400)))
        clean = cv2.resize(digit_picture(data.images[row]), size).astype(np.int16)
        noisy = np.clip(clean + random.integers(-20, 21, clean.shape), 0, 255).astype(np.uint8)
        path = place(number, int(data.target[row]))
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(f"{path}.{_SUFFIXES[number % 3]}", noisy[:, :, ::-1])
