"""Show which classes are confused: a table for a terminal, a list, and a matrix for a page."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.cells import cell_len, set_cell_size

__all__ = ["Confused", "confusion_lines", "matrix", "most_confused"]

_COLUMNS, _WIDEST = 12, 100  # maximum columns and characters per line of a table for a terminal
_LABEL = 14  # maximum characters of a label in that table
_LISTED = 10  # confusions listed if there are too many classes for a table
_SHOWN = 18  # maximum characters of a label next to a page's matrix
_CELL, _SMALL_CELL, _FEW = 40, 16, 24  # cell size in pixels with up to _FEW classes, and with more

Counts = Sequence[Sequence[int]] | npt.NDArray[np.int64]
"""``[classes, classes]``: how many images of the row's class got the column's answer, as ``Score.confusion``."""


@dataclass(frozen=True)
class Confused:
    """``count`` of the ``of`` images with this label got another answer."""

    label: str
    answer: str
    count: int
    of: int


def most_confused(confusion: Counts, labels: Sequence[str], most: int) -> list[Confused]:
    """Return up to ``most`` pairs of classes, most often confused first."""
    counts = np.array(confusion, np.int64)
    totals = counts.sum(axis=1)
    np.fill_diagonal(counts, 0)
    width = len(counts)
    order = [int(i) for i in np.argsort(-counts, axis=None, kind="stable")[:most] if counts.flat[i]]
    return [
        Confused(labels[i // width], labels[i % width], int(counts.flat[i]), int(totals[i // width])) for i in order
    ]


def confusion_lines(confusion: Counts, labels: Sequence[str]) -> list[str]:
    """Return a table, the worst confusions if it would have too many columns, or nothing if all answers are correct."""
    counts = np.array(confusion, np.int64)
    if counts.sum() == counts.trace():
        return []
    rows, columns = np.flatnonzero(counts.sum(axis=1)), np.flatnonzero(counts.sum(axis=0))
    names = [_cut(label) for label in labels]
    widths = [max(cell_len(names[j]), len(str(counts[:, j].max()))) for j in columns]
    first = max(cell_len(names[i]) for i in rows)
    if len(columns) > _COLUMNS or first + sum(widths) + 2 * len(widths) > _WIDEST:
        return [f"{c.label} taken for {c.answer}: {c.count} of {c.of}" for c in most_confused(counts, labels, _LISTED)]
    head = [_right(names[j], width) for j, width in zip(columns, widths, strict=True)]
    lines = ["Answers (columns) by class (rows):", "  ".join([" " * first, *head])]
    for i in rows:
        cells = [f"{counts[i, j]:>{width}}" for j, width in zip(columns, widths, strict=True)]
        lines.append("  ".join([set_cell_size(names[i], first), *cells]))
    return lines


def matrix(confusion: Counts, labels: Sequence[str]) -> dict[str, Any]:
    """Return the matrix for a page; each non-empty cell has column, row, count, and the count's share of its row."""
    counts = np.array(confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    cells = [(int(j), int(i), int(counts[i, j]), float(shares[i, j])) for i, j in np.argwhere(counts)]
    side, widest = _CELL if len(labels) <= _FEW else _SMALL_CELL, max(map(_pixels, labels))
    return {"cells": cells, "side": side, "labels": labels, "widest": widest}


def _pixels(label: str) -> int:
    """Estimate the width of a shortened label at a font size of 12 pixels; East Asian characters are square."""
    return sum(12 if unicodedata.east_asian_width(sign) in "WF" else 7 for sign in label[:_SHOWN])


def _cut(label: str) -> str:
    return label if cell_len(label) <= _LABEL else set_cell_size(label, _LABEL - 1) + "…"


def _right(text: str, width: int) -> str:
    return " " * (width - cell_len(text)) + text
