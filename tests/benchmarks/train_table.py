"""The tables of the training benchmark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from intervals import points_lost
from scipy.special import stdtrit

__all__ = ["Rows", "table", "times"]

Rows = dict[tuple[Path, int], dict[str, Any]]
"""What was found of a way to train, by the folder it was kept in and its seed."""


def table(found: dict[str, Rows]) -> Iterator[str]:
    """Return a line for each way to train that has runs, then the points that each loses against the first."""
    found = {way: rows for way, rows in found.items() if rows}
    yield f"{'':<22} {'test':>7} {'sd':>5} {'ECE':>5} {'minutes':>8} {'trained':>8} {'busy':>5}   runs"
    for way, rows in found.items():
        yield f"{way:<22} {_figures([*rows.values()])}"
    first, *others = [*found] or [""]
    for way in others:
        if runs := [key for key in found[first] if key in found[way]]:
            yield f"{way}, points lost to {first}: {_lost(found[first], found[way], runs)}"


def times(rows: Rows) -> str:
    """Return a line per seed: when it first reached the target, or else its last and its highest accuracy."""
    return ", ".join(f"seed {seed} {_time(row)}" for (_, seed), row in rows.items())


def _figures(rows: list[dict[str, Any]]) -> str:
    figures = np.array([row["accuracy"] for row in rows]) * 100
    each = " ".join(f"{figure:.2f}" for figure in figures)
    minutes, share = np.mean([row["seconds"] for row in rows]) / 60, rows[0]["share"]
    busy = f"{np.mean([row['busy'] for row in rows]):.0%}" if all("busy" in row for row in rows) else ""
    apart = f"{np.mean([row['ece'] for row in rows]):.3f}" if all("ece" in row for row in rows) else ""
    spread = figures.std(ddof=1) if len(figures) > 1 else 0
    return f"{figures.mean():6.2f}% {spread:5.2f} {apart:>5} {minutes:8.1f} {share:8.1%} {busy:>5}   {each}"


def _lost(first: Rows, other: Rows, runs: list[tuple[Path, int]]) -> str:
    texts = []
    if all("hits" in rows[key] for rows in (first, other) for key in runs):  # older folders do not have them
        before, after = (np.array([rows[key]["hits"] for key in runs]) for rows in (first, other))
        texts.append(f"{points_lost(before, after)} by picture")
    lost = 100 * np.array([first[key]["accuracy"] - other[key]["accuracy"] for key in runs])
    if len(runs) > 1:
        half = float(stdtrit(len(lost) - 1, 0.975) * lost.std(ddof=1) / np.sqrt(len(lost)))
        texts.append(f"{lost.mean():+.2f} ({lost.mean() - half:+.2f} to {lost.mean() + half:+.2f}) by run")
    return ", ".join(texts or [f"{lost.mean():+.2f}"]) + f"; {len(runs)} runs"


def _time(row: dict[str, Any]) -> str:
    if row["seconds"]:
        return f"{row['seconds']:.0f} s"
    last, highest = row["seen"][-1], max(accuracy for _, accuracy in row["seen"])
    return f"not in {last[0]:.0f} s ({last[1]:.1%}, {highest:.1%} at most)"
