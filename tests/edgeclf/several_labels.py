"""Test images with several labels: coloured discs, one for each label, on grey noise."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from edgeclf_runtime.pictures.preprocess import Pixels

__all__ = ["LABELS", "shapes", "shapes_csv"]

LABELS = ("blue", "green", "red")
_COLOURS = {"blue": (40, 60, 220), "green": (40, 200, 60), "red": (220, 40, 40)}


def shapes(present: list[str], rng: np.random.Generator) -> Pixels:
    """Draw a disc of each colour, each in its own quarter: uint8 RGB ``[64, 64, 3]``."""
    pixels = rng.integers(90, 150, (64, 64, 3), np.uint8)
    for label, quarter in zip(present, rng.permutation(4), strict=False):
        centre = (16 + 32 * int(quarter % 2), 16 + 32 * int(quarter // 2))
        cv2.circle(pixels, centre, 12, _COLOURS[label], -1)
    return pixels


def shapes_csv(folder: Path, count: int = 64) -> Path:
    """Write images of every set of labels in turn, and a CSV of them."""
    rng, lines = np.random.default_rng(0), ["file,label"]
    for number in range(count):
        present = [label for bit, label in enumerate(LABELS) if (number % 8) >> bit & 1]
        cv2.imwrite(str(folder / f"{number}.png"), shapes(present, rng)[:, :, ::-1])
        lines.append(f"{number}.png,{'|'.join(present) or '_none'}")
    (folder / "list.csv").write_text("\n".join(lines) + "\n", "utf-8")
    return folder / "list.csv"
