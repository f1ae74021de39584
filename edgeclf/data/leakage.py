"""Find copies of an image in two parts of a split: they make results look better than they are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgeclf.data.dataset import PARTS, Dataset
from edgeclf.data.near_duplicates import members
from edgeclf.progress import Reporter
from edgeclf_runtime.system.plain_text import counted

__all__ = ["leaks", "warn_of_leaks"]

Indices = npt.NDArray[np.int64]


def leaks(data: Dataset) -> list[Indices]:
    """Return the rows of each group that is in more than one part; files without a part do not count."""
    leaking = []
    for rows in members(data.groups):
        rows = np.array([row for row in rows if data.parts[row] in PARTS], np.int64)
        if len({data.parts[row] for row in rows}) > 1:
            leaking.append(rows)
    return leaking


def warn_of_leaks(data: Dataset, source: object, reporter: Reporter) -> None:
    """Warn if parts of the source share images; log how many near-duplicates were kept together."""
    leaking = leaks(data)
    if leaking:
        first = leaking[0][0]
        other = next(row for row in leaking[0] if data.parts[row] != data.parts[first])
        reporter.say(
            f"Warning: {sum(map(len, leaking))} images have duplicates in other parts of the split, so accuracy will "
            "look too good, for example "
            f"{data.files[first]} ({data.parts[first]}) and {data.files[other]} ({data.parts[other]}). "
            f"See: edgeclf data check {source}"
        )
    groups = members(data.groups)
    if groups and not leaking:
        images = sum(map(len, groups))
        reporter.say(f"{images} near-duplicates in {counted(len(groups), 'group')}; each group stays in one part.")
