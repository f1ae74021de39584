"""Where labelled photographs come from: a folder, a CSV, or a folder of TFRecord shards."""

from __future__ import annotations

from pathlib import Path

from edgeclf.dataset import Dataset, Listed, Skipped, check_labels, in_order, scan
from edgeclf.errors import DataError
from edgeclf.manifest import read_manifest
from edgeclf.shards import INDEX, Shards, read_index

__all__ = ["open_shards", "read_source", "root_of"]


def read_source(path: Path) -> tuple[Dataset, list[Skipped]]:
    """List a source. No picture is opened; the same pictures give the same dataset whatever the source is.

    Args:
        path: a folder with one sub-folder per class, or with parts that have them; a CSV (see ``read_manifest``); or
            a folder that ``edgeclf data shard`` wrote.

    Returns:
        the pictures, and the files that are none.

    Raises:
        DataError: see the text.
    """
    if path.is_file():
        if path.suffix.lower() != ".csv":
            raise DataError(f"{path}: expected a folder of pictures, a .csv that lists them, or a folder of shards.")
        return read_manifest(path), []
    if (path / INDEX).is_file():
        return _shards(path)
    if path.is_dir() and any(path.glob("*.tfrecord")):
        raise DataError(f"{path}: has .tfrecord files but no {INDEX}. Write shards with: edgeclf data shard.")
    return scan(path)


def root_of(path: Path) -> Path:
    """The folder to which a source's file names are relative."""
    return path.parent if path.is_file() else path


def open_shards(path: Path) -> Shards | None:
    """The shards of a source, None where it has pictures as files."""
    return Shards(path, read_index(path)) if (path / INDEX).is_file() else None


def _shards(root: Path) -> tuple[Dataset, list[Skipped]]:
    index = read_index(root)
    check_labels(root, index.labels, "expected shards of pictures")
    listed = [
        Listed(part, target, file, group)
        for shard in index.shards
        for part, target, file, group in zip(shard.parts, shard.targets, shard.files, shard.groups, strict=True)
    ]
    data = in_order(root, tuple(index.labels), listed, Shards(root, index))
    return data, [Skipped(file, reason) for file, reason in index.skipped]
