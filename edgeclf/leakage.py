"""Copies of a picture in two parts: what makes a result look better than it is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgeclf.dataset import PARTS, Dataset
from edgeclf.duplicates import members
from edgeclf.reporter import Reporter

__all__ = ["leaks", "warn_of_leaks"]

Indices = npt.NDArray[np.int64]


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
        reporter.say(f"{sum(map(len, groups))} images in {_counted(len(groups))} of like ones: each group in one part.")


def _counted(groups: int) -> str:
    return "1 group" if groups == 1 else f"{groups} groups"
