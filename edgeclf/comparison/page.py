"""Show a comparison as a table, as compare.csv, and as a single page, compare.html."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np

from edgeclf.comparison.methods import METHODS, Cell
from edgeclf.data.dataset import PARTS, Dataset
from edgeclf.metrics.scoring import wilson
from edgeclf.pages.html import render
from edgeclf.pages.plots import learning_plot
from edgeclf.runs.run import Run
from edgeclf_runtime.system.atomic_file import write_text

__all__ = ["Row", "comparison_table", "summarize", "write_comparison"]


@dataclass(frozen=True)
class Row:
    """The cells of one method and share, as means over their seeds.

    Attributes:
        low, high: 95% interval of the mean accuracy (Wilson). It is as wide as for one seed, because all seeds use the
            same test images.
        spread: lowest and highest accuracy of the seeds, or None for one seed.
    """

    method: str
    percent: int
    pictures: int
    seeds: int
    accuracy: float
    low: float
    high: float
    spread: tuple[float, float] | None
    seconds: float
    bytes: int
    trained: int

    @property
    def name(self) -> str:
        """The method's name for tables."""
        return METHODS[self.method]


def summarize(cells: Sequence[Cell]) -> list[Row]:
    """Return rows in the order of methods, then of shares."""
    keys = {(cell.method, cell.percent) for cell in cells}
    order = sorted(keys, key=lambda key: (list(METHODS).index(key[0]), key[1]))
    return [_row([cell for cell in cells if (cell.method, cell.percent) == key]) for key in order]


def comparison_table(cells: Sequence[Cell]) -> str:
    """Return the comparison as a table for a terminal."""
    head = ("method", "share", "accuracy", "95% interval", "images", "seconds", "model", "trained")
    rows = [head] + [
        (
            row.name,
            f"{row.percent}%",
            f"{row.accuracy:.1%}",
            f"{row.low:.1%} to {row.high:.1%}",
            str(row.pictures),
            f"{row.seconds:.0f}",
            f"{row.bytes / 1e6:.2f} MB",
            f"{row.trained:,}",
        )
        for row in summarize(cells)
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = [[row[0].ljust(widths[0]), *(cell.rjust(widths[i + 1]) for i, cell in enumerate(row[1:]))] for row in rows]
    return "\n".join("  ".join(line) for line in lines)


def write_comparison(folder: Run, data: Dataset, cells: Sequence[Cell]) -> None:
    """Write compare.csv, with one row per cell, and compare.html.

    Args:
        folder: the comparison's folder.
        data: the split.
        cells: the finished cells.
    """
    from markupsafe import Markup

    write_text(folder.path / "compare.csv", _csv(cells))
    if not cells:
        return
    rows = summarize(cells)
    curves = {
        METHODS[method]: [(row.pictures, row.accuracy, row.low, row.high) for row in rows if row.method == method]
        for method in dict.fromkeys(row.method for row in rows)
    }
    values = {
        "name": folder.data.name,
        "labels": data.labels,
        "counts": {part: len(data.rows(part)) for part in PARTS},
        "rows": rows,
        "best": max(row.accuracy for row in rows),
        "plot": Markup(learning_plot(curves)),  # safe: contains only numbers and our own text
        "config": folder.config,
        "environment": folder.read_json("environment"),
    }
    write_text(folder.path / "compare.html", render("compare.html", values))


def _row(cells: Sequence[Cell]) -> Row:
    first, correct = cells[0], round(float(np.mean([cell.correct for cell in cells])))
    shares = [cell.accuracy for cell in cells]
    low, high = wilson(correct, first.count)
    return Row(
        first.method,
        first.percent,
        first.pictures,
        len(cells),
        float(np.mean(shares)),
        low,
        high,
        (min(shares), max(shares)) if len(cells) > 1 else None,
        float(np.mean([cell.seconds for cell in cells])),
        round(float(np.mean([cell.bytes for cell in cells]))),
        round(float(np.mean([cell.trained for cell in cells]))),
    )


def _csv(cells: Sequence[Cell]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Cell)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(cell) for cell in cells)
    return text.getvalue()
