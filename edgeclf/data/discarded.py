"""Leave out images that were discarded on a device's page, even if a copy was sorted into a class."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import numpy as np

from edgeclf.data.dataset import Dataset, Skipped
from edgeclf_runtime.sinks.snapshots.name import discarded_names

__all__ = ["without_discarded"]


def without_discarded(data: Dataset, sources: Iterable[Path]) -> tuple[Dataset, list[Skipped]]:
    """Return the images without the discarded ones, and the images left out.

    Snapshots are recognized by their names, which contain the time to the millisecond.

    Args:
        data: the images.
        sources: the sources; folders of snapshots keep discarded images in a sub-folder.
    """
    names = {name for source in sources for name in discarded_names(source)}
    gone = [row for row, file in enumerate(data.files) if PurePosixPath(file).name in names]
    if not gone:
        return data, []
    kept = np.setdiff1d(np.arange(len(data.files)), gone)
    return data.take(kept), [Skipped(data.files[row], "was discarded on the page of a device") for row in gone]
