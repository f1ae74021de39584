"""Where labelled photographs come from: a folder, a CSV, or a folder of TFRecord shards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgeclf.dataset import Dataset, Listed, Skipped, check_labels, in_order
from edgeclf.errors import DataError
from edgeclf.folders import scan
from edgeclf.manifest import read_manifest
from edgeclf.shards import INDEX, Shards, read_index
from edgeclf.skipped import no_readable
from edgeclf_runtime.plaintext import printable

__all__ = ["open_shards", "read_source", "refuse_inside", "root_of"]


def read_source(
    path: Path, say: Callable[[str], None] = lambda line: None, *, training: bool = True
) -> tuple[Dataset, list[Skipped]]:
    """List a source. No picture is opened; the same pictures give the same dataset whatever the source is.

    Args:
        path: a folder with one sub-folder per class, or with parts that have them; a CSV (see ``read_manifest``); or
            a folder that ``edgeclf data shard`` wrote.
        say: told how a folder was understood, where its own names do not say so.
        training: whether it is to be trained on; else a CSV may have one label alone, and no train part.

    Returns:
        the pictures, and the files that are none.

    Raises:
        DataError: see the text.
    """
    data, skipped = _read(path, training)
    if data.note:
        say(data.note)
    if not data.files:
        raise no_readable(path, skipped)
    return data, skipped


def _read(path: Path, training: bool) -> tuple[Dataset, list[Skipped]]:
    if printable(path) != str(path):
        raise DataError(f"{printable(path)}: a path that is not UTF-8 text, which a run could not keep. Rename it.")
    if path.is_file():
        if path.suffix.lower() != ".csv":
            raise DataError(f"{path}: expected a folder of pictures, a .csv that lists them, or a folder of shards.")
        return read_manifest(path, training=training), []
    if (path / INDEX).is_file():
        return _shards(path)
    if path.is_dir() and any(path.glob("*.tfrecord")):
        raise DataError(f"{path}: has .tfrecord files but no {INDEX}. Write shards with: edgeclf data shard.")
    return scan(path)


def refuse_inside(source: Path, out: Path) -> None:
    """Refuse to write into a folder of photographs, whose sub-folders are its classes.

    Raises:
        DataError: ``out`` is visible in it, or no text.
    """
    if printable(out) != str(out):
        raise DataError(f"{printable(out)}: a path that is not UTF-8 text. Choose another.")
    root, place = source.resolve(), out.resolve()
    if not source.is_dir() or (source / INDEX).is_file() or root not in place.parents:
        return
    if not any(part.startswith(".") for part in place.relative_to(root).parts):
        raise DataError(
            f"{out}: lies in the folder of photographs, {root}, where it would be taken for a class. "
            "Choose a place beside that folder."
        )


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
