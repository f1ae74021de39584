"""Write a search to its folder: search.csv, and search.html as a single page."""

from __future__ import annotations

import csv
import io
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Literal

from edgeclf.pages.html import render
from edgeclf.pages.plots import BAD, LEGEND, SERIES, TEXT, figure_with_axes, page_svg
from edgeclf.searching.result import SearchResult
from edgeclf.searching.study import Outcome
from edgeclf_runtime.system.atomic_file import write_text

__all__ = ["search_table", "write_search"]

_SIZE = (5.2, 4.2)  # inches
_FILLED: dict[str, Literal["none", "bottom", "full"]] = {"head": "none", "batch-norm": "bottom", "full": "full"}


def write_search(result: SearchResult) -> Path:
    """Write both files.

    Returns:
        the page.
    """
    from markupsafe import Markup

    write_text(result.folder / "search.csv", _csv(result))
    page = result.folder / "search.html"
    plot, model = "", ""
    if result.measured:
        plot = Markup(_plot(result))
    if result.best is not None:
        model = shlex.quote(str(result.model(result.best)))
    values = {"result": result, "name": result.folder.resolve().name, "plot": plot, "model": model}
    write_text(page, render("search.html", values))
    return page


def search_table(result: SearchResult) -> str:
    """Return the trials as lines of text, most accurate first; a star marks trials on the frontier."""
    lines = [f"  {'trial':<36} {'int8':>6} {'95%':>13} {'ms':>7} {'MB':>5} {'minutes':>7}"]
    for item in result.ranked:
        star, interval = "*" if item in result.frontier else " ", f"{item.low:.1%}-{item.high:.1%}"
        size, minutes = item.bytes / 1e6, (item.train_seconds + item.export_seconds) / 60
        lines.append(
            f"{star} {item.candidate.name:<36} {item.accuracy:>6.1%} {interval:>13} {item.milliseconds:>7.2f} "
            f"{size:>5.1f} {minutes:>7.1f}"
        )
    return "\n".join(lines)


def _csv(result: SearchResult) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    figures = [field.name for field in fields(Outcome) if field.name not in ("candidate", "reason")]
    writer.writerow(("trial", "backbone", "size", "tune", *figures, "frontier", "state", "reason"))
    for item in result.outcomes:
        chosen = item.candidate
        row = ["" if item.reason else getattr(item, name) for name in figures]
        state = ("", "failed", item.reason) if item.reason else ("yes" if item in result.frontier else "no", "done", "")
        writer.writerow((chosen.name, chosen.backbone, chosen.size, chosen.tune, *row, *state))
    blank = [""] * (len(figures) + 4)
    writer.writerows((name, *blank, "skipped", reason) for name, reason in result.skipped.items())
    return text.getvalue()


def _plot(result: SearchResult) -> str:
    """Plot accuracy over latency as an SVG."""
    figure, axes = figure_with_axes("ms per image, on this machine", "validation accuracy, %", _SIZE)
    for number, name in enumerate(dict.fromkeys(item.candidate.backbone for item in result.measured)):
        (colour, marker), label = SERIES[number % len(SERIES)], name
        for item in result.measured:
            if item.candidate.backbone == name:
                where, filled = (item.milliseconds, 100 * item.accuracy), _FILLED[item.candidate.tune]
                axes.plot(*where, marker, color=colour, fillstyle=filled, markerfacecoloralt="none", label=label)
                size, offset = str(item.candidate.size), (5, 4)
                axes.annotate(size, where, offset, textcoords="offset points", fontsize=7, color=TEXT)
                label = "_"  # shown only once in the legend
    front = [(item.milliseconds, 100 * item.accuracy) for item in result.frontier]
    axes.step([x for x, _ in front], [y for _, y in front], where="post", color=TEXT, linewidth=1, alpha=0.5, zorder=1)
    slowest = max(item.milliseconds for item in result.measured)
    if result.latency_ms is not None and result.latency_ms < 2 * slowest:  # further away, it would crowd the points
        axes.axvline(result.latency_ms, color=BAD, linestyle="--", linewidth=1, label="maximum latency")
    axes.margins(0.08)
    figure.legend(loc="outside lower center", ncols=2, **LEGEND)
    return page_svg(figure)
