"""The plot of the speed benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgeclf.pages.plots import LEGEND, figure_with_axes

_NAMES = {
    "ours": "edgeclf run",
    "fast": "edgeclf run --fast-decode",
    "ours-two": "edgeclf run, two interpreters",
    "fast-two": "edgeclf run --fast-decode, two interpreters",
    "plain": "read, resize (area), invoke",
    "plain-linear": "read, resize (linear), invoke",
    "mediapipe": "MediaPipe ImageClassifier",
    "invoke": "invoke alone",
}


def draw(found: dict[str, dict[str, Any]], path: Path) -> None:
    """Draw bars of milliseconds per frame with quartiles, grouped by size, kind and number of threads."""
    figure, axes = figure_with_axes("", "ms a frame, median and quartiles", (10, 5))
    for place, (way, name) in enumerate(_NAMES.items()):
        groups = [(index, figures[way][:, 0]) for index, figures in enumerate(found.values()) if way in figures]
        if groups:
            at = np.array([index for index, _ in groups]) + (place - 3.5) * 0.11
            low, middle, high = np.array([np.percentile(values, [25, 50, 75]) for _, values in groups]).T
            axes.bar(at, middle, 0.1, yerr=[middle - low, high - middle], label=name)
    axes.set_xticks(range(len(found)), [name.replace(" ", "\n", 1).replace(", ", "\n") for name in found])
    figure.legend(loc="outside lower center", ncols=4, **LEGEND)
    figure.savefig(path)
