"""Copies of a picture in two parts: what makes a result look better than it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from edgeclf.dataset import PARTS, Dataset
from edgeclf.duplicates import joined
from edgeclf.reporter import Reporter

__all__ = ["grouped", "leaks", "members", "warn_of_leaks"]

Indices = npt.NDArray[np.int64]
_NO_PAIRS = np.zeros((0, 2), np.int64)


def grouped(data: Dataset, near: Indices) -> Dataset:
    """The dataset with pictures that look alike (see ``near_groups``) in one group, beside those its source gives."""
    pairs = [np.stack([rows[:-1], rows[1:]], axis=1) for rows in members(near)]
    return replace(data, groups=joined(len(data.files), np.concatenate([_NO_PAIRS, *pairs]), data.groups))


def members(groups: Indices) -> list[Indices]:
    """Rows of each group of two or more."""
    rows = np.flatnonzero(groups >= 0)
    rows = rows[np.argsort(groups[rows], kind="stable")]
    return [rows for rows in np.split(rows, np.flatnonzero(np.diff(groups[rows])) + 1) if len(rows) > 1]


def leaks(data: Dataset) -> list[Indices]:
    """Rows of each group that lies in more than one part; files in no part count for none."""
    found = []
    for rows in members(data.groups):
        rows = np.array([row for row in rows if data.parts[row] in PARTS], np.int64)
        if len({data.parts[row] for row in rows}) > 1:
            found.append(rows)
    return found


def warn_of_leaks(data: Dataset, source: object, reporter: Reporter) -> None:
    """One line where parts that were given share pictures, and one about groups that are kept together."""
    found = leaks(data)
    if found:
        first = found[0][0]
        other = next(row for row in found[0] if data.parts[row] != data.parts[first])
        reporter.say(
            f"Warning: {sum(map(len, found))} pictures have copies across parts, so results will look too good; first "
            f"{data.files[first]} ({data.parts[first]}) and {data.files[other]} ({data.parts[other]}). "
            f"See: edgeclf data check {source}"
        )
    groups = members(data.groups)
    if groups and not found:
        reporter.say(f"{sum(map(len, groups))} pictures in {len(groups)} groups of like ones: each group in one part.")
