"""Draw plots as SVG in the font and colours of the page, so that they follow its dark mode."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgeclf.metrics.calibration import Reliability

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "BAD",
    "LEGEND",
    "SERIES",
    "TEXT",
    "Curve",
    "accuracy_plot",
    "figure_with_axes",
    "learning_plot",
    "loss_plot",
    "page_svg",
    "reliability_plot",
    "threshold_plot",
]

Curve = Sequence[tuple[float, float, float, float]]
"""Points of a learning curve: training images, accuracy, and the ends of its interval."""

_SHORTEST = 10.0  # minimum length of an accuracy axis, in percentage points
_SIZE = (4.4, 2.9)  # inches; small, so that the text is large enough on a phone
TEXT, BAD, _GRID = "#010203", "#c0392b", "#88888833"
_BAR, _OTHER, _GOOD, _MUTED, _VIOLET, _PINK = "#2f6fb0", "#c77700", "#268054", "#6b7280", "#8b5fbf", "#b03a6a"
_VARIABLES = {TEXT: "currentColor", BAD: "var(--bad)", _BAR: "var(--bar)", _OTHER: "var(--other)"}
_VARIABLES |= {_GOOD: "var(--good)", _MUTED: "var(--muted)", _VIOLET: "var(--violet)", _PINK: "var(--pink)"}
SERIES = tuple(zip((_BAR, _OTHER, _GOOD, _VIOLET, _MUTED, _PINK), "osD^vP", strict=True))
"""Colours and markers that tell the curves of one plot apart."""
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "edgeclf",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.edgecolor": _MUTED,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.grid": True,
    "grid.color": _GRID,
    "text.color": TEXT,
    "axes.labelcolor": TEXT,
    "xtick.color": TEXT,
    "ytick.color": TEXT,
}

LEGEND: dict[str, Any] = {"frameon": False, "labelcolor": TEXT}

History = Sequence[Mapping[str, Any]]


def loss_plot(history: History) -> str:
    """Plot training loss and validation log loss by epoch."""
    figure, axes = figure_with_axes("epoch", "loss")
    trained = [item for item in history if "loss" in item]
    axes.plot(*_points(trained, "loss"), color=_MUTED, marker="o", markersize=3, label="training loss")
    axes.plot(
        *_points(history, "validation_log_loss"), color=_BAR, marker="o", markersize=3, label="validation log loss"
    )
    axes.set_ylim(bottom=0)
    axes.legend(**LEGEND)
    return page_svg(figure)


def accuracy_plot(history: History, best: int, count: int, measure: str = "accuracy", name: str = "accuracy") -> str:
    """Plot validation accuracy, or another measure, by epoch, with the best epoch marked.

    Args:
        count: number of validation images; the axis is long enough that one image makes a small step.
        measure, name: key of the measure in the history, after ``validation_``, and its name for display.
    """
    figure, axes = figure_with_axes("epoch", f"validation {name}, %")
    epochs, shares = _points(history, f"validation_{measure}")
    axes.plot(epochs, [100 * share for share in shares], color=_BAR, marker="o", markersize=3)
    axes.set_ylim(*_span(100 * min(shares), 100 * max(shares), count))
    if best in epochs:
        axes.plot([best], [100 * shares[epochs.index(best)]], "o", color=_GOOD, markersize=8, label=f"kept: {best}")
        axes.legend(loc="lower right", **LEGEND)
    return page_svg(figure)


def _span(lowest: float, highest: float, count: int) -> tuple[float, float]:
    """Return the ends of a percentage axis on which one of ``count`` images is at most a tenth, with margins."""
    length = min(100.0, max(_SHORTEST, 10 * 100 / count, 1.2 * (highest - lowest)))
    low = min(max(0.0, (lowest + highest - length) / 2), 100 - length)
    return low - length / 40, low + length * (1 + 1 / 40)


def reliability_plot(parts: Mapping[str, Reliability]) -> str:
    """Plot accuracy by score; on the diagonal, scores are perfectly calibrated."""
    figure, axes = figure_with_axes("score", "share that is right")
    axes.plot([0, 1], [0, 1], color=_MUTED, linestyle="--", linewidth=1)
    for (part, reliability), colour, marker in zip(parts.items(), (_BAR, _OTHER), "os", strict=False):
        scores, shares = [item.score for item in reliability.bins], [item.accuracy for item in reliability.bins]
        sizes = [12 + 120 * item.count / sum(b.count for b in reliability.bins) for item in reliability.bins]
        axes.plot(scores, shares, color=colour, linewidth=1, label=f"{part}, ECE {reliability.error:.3f}")
        axes.scatter(scores, shares, s=sizes, color=colour, marker=marker, alpha=0.7)
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.05)
    axes.legend(loc="lower right", **LEGEND)
    return page_svg(figure)


def threshold_plot(best: npt.NDArray[np.float32], right: npt.NDArray[np.bool_], threshold: float | None) -> str:
    """Plot the share of accepted answers, and their accuracy, by threshold.

    Args:
        best: the best score of each image.
        right: whether that answer is correct.
    """
    figure, axes = figure_with_axes("threshold", "%")
    steps = [step / 100 for step in range(100) if (best >= step / 100).any()]
    axes.plot(steps, [100 * float((best >= t).mean()) for t in steps], color=_MUTED, label="accepted")
    axes.plot(steps, [100 * float(right[best >= t].mean()) for t in steps], color=_GOOD, label="of these right")
    if threshold is not None:
        axes.axvline(threshold, color=BAD, linewidth=1, label=f"suggested: {threshold:.2f}")
    axes.set_xlim(0, 1)
    axes.legend(loc="lower left", **LEGEND)
    return page_svg(figure)


def learning_plot(curves: Mapping[str, Curve]) -> str:
    """Plot accuracy by the number of training images, on a logarithmic axis, with one curve per method."""
    figure, axes = figure_with_axes("training images", "test accuracy, %", (4.4, 3.6))
    for number, (method, curve) in enumerate(curves.items()):
        colour, marker = SERIES[number]
        counts, shares, lows, highs = (np.array(column) for column in zip(*curve, strict=True))
        shifted = counts * 1.03 ** (number - len(curves) // 2)  # so that intervals do not hide each other
        lengths = 100 * np.maximum([shares - lows, highs - shares], 0)
        style: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 4, "linewidth": 1.2}
        axes.errorbar(shifted, 100 * shares, lengths, elinewidth=0.7, capsize=2, label=method, **style)
    axes.set_xscale("log")
    ticks = sorted({point[0] for curve in curves.values() for point in curve})
    axes.set_xticks(ticks, [f"{tick:.0f}" for tick in ticks])
    axes.set_xticks([], minor=True)
    figure.legend(loc="outside lower center", ncols=2, **LEGEND)
    return page_svg(figure)


def _points(history: History, name: str) -> tuple[list[int], list[float]]:
    return [int(item["epoch"]) for item in history], [float(item[name]) for item in history]


def figure_with_axes(across: str, up: str, size: tuple[float, float] = _SIZE) -> tuple[Figure, Axes]:
    """Return an empty plot with labelled axes; ``size`` is width and height in inches."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.add_subplot(xlabel=across, ylabel=up)
        if across == "epoch":
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure, axes


def page_svg(figure: Figure) -> str:
    """Return a plot as ``<svg>`` in the colours of the page.

    Removes what a page does not need: addresses of standards, and identifiers that two plots would share.
    """
    import matplotlib

    text = io.StringIO()
    with matplotlib.rc_context(_STYLE):
        figure.savefig(text, format="svg", transparent=True)
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r'<svg[^>]*(viewBox="[^"]*")[^>]*>', r'<svg role="img" \1>', svg, count=1)
    svg = re.sub(r"font-family: [^;]*; ", "", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, variable)
    return svg.replace("xlink:href", "href")
