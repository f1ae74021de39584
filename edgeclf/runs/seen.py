"""Find images that a run has already seen in training: figures on these are too good."""

from __future__ import annotations

import hashlib
from collections import defaultdict

from edgeclf.data.dataset import Dataset
from edgeclf.runs.run import Run
from edgeclf_runtime.errors import ImageError

__all__ = ["seen_in_training"]

_Sized = dict[int, list[tuple[Dataset, str]]]


def seen_in_training(run: Run, data: Dataset) -> dict[str, int]:
    """Count the images that are, byte for byte, in the run's train part and in its validation part."""
    split, given = run.read_split(), _by_size(data)
    seen = {}
    for part in ("train", "validation"):
        trained_on = _by_size(split.take(split.rows(part)))
        common = given.keys() & trained_on.keys()  # only files of equal size are read
        digests = {_digest(*file) for size in common for file in trained_on[size]} - {None}
        seen[part] = sum(_digest(*file) in digests for size in common for file in given[size])
    return seen


def _by_size(data: Dataset) -> _Sized:
    by_size: _Sized = defaultdict(list)
    for file in data.files:
        try:
            size = (
                data.path(file).stat().st_size if data.shards is None and not data.sources else len(data.content(file))
            )
        except (OSError, ImageError):  # missing files are ignored
            continue
        by_size[size].append((data, file))
    return by_size


def _digest(data: Dataset, file: str) -> bytes | None:
    try:
        return hashlib.sha256(data.content(file)).digest()
    except ImageError:
        return None
