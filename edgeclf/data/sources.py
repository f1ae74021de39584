"""Read labelled photographs from a folder, a CSV, or a folder of TFRecord shards."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from edgeclf.data.csv_file import read_manifest
from edgeclf.data.dataset import Dataset, Listed, Skipped, check_labels, in_order
from edgeclf.data.discarded import without_discarded
from edgeclf.data.folders import refuse_one_class, scan
from edgeclf.data.hints import about_file
from edgeclf.data.label_sets import read_label_sets
from edgeclf.data.layout import subfolders
from edgeclf.data.shards import INDEX, Shards, read_index
from edgeclf.data.skipped import no_readable
from edgeclf.errors import DataError
from edgeclf_runtime.system.plain_text import counted, printable

__all__ = ["SourcePaths", "paths_of", "read_source", "refuse_inside", "shown", "unlisted"]


SourcePaths = Path | Sequence[Path]
"""One source, or several that are joined."""


def read_source(
    data: SourcePaths,
    say: Callable[[str], None] = lambda line: None,
    *,
    training: bool = True,
    several_labels: bool | None = None,
) -> tuple[Dataset, list[Skipped]]:
    """List a source without opening an image; the same images give the same dataset from every kind of source.

    Args:
        data: a folder with one sub-folder per class, or with parts that have them; a CSV (see ``read_manifest``); a
            folder written by ``edgeclf data shard``; or several of these, whose classes are joined.
        say: called with notes: how an ambiguous folder was interpreted, and what each of several sources has.
        training: whether the images are for training. If not, a CSV may have a single label and no train part.
        several_labels: whether an image may have several labels, which only a CSV can list; None: one label, and a CSV
            that may list several is refused.

    Returns:
        the images, and the files that were skipped.

    Raises:
        DataError: the source is missing, has no images or too few classes, or its layout is unclear.
    """
    paths = paths_of(data)
    if several_labels:
        listed, skipped = _read_label_sets(paths, training), list[Skipped]()
    elif len(paths) > 1:
        return _read_several(paths, say, several_labels)
    else:
        listed, skipped = _read(paths[0], training, 2, several_labels if training else False)
    if listed.note:
        say(listed.note)
    listed, discarded = without_discarded(listed, paths)
    if not listed.files:
        raise no_readable(paths[0], [*skipped, *discarded])
    return listed, [*skipped, *discarded]


def paths_of(data: SourcePaths) -> tuple[Path, ...]:
    """Return the paths of one source or several."""
    return (data,) if isinstance(data, Path) else tuple(data)


def shown(data: SourcePaths) -> str:
    """Return the paths quoted for a shell command."""
    return shlex.join(map(str, paths_of(data)))


def _read_several(
    paths: tuple[Path, ...], say: Callable[[str], None], several_labels: bool | None
) -> tuple[Dataset, list[Skipped]]:
    from edgeclf.data.several import joined, refuse_the_same, renamed

    refuse_the_same(paths)
    sources, skipped = [], list[Skipped]()
    for number, path in enumerate(paths, 1):
        source, left_out = _read(path, True, 1, several_labels)
        sources.append(source)
        skipped += renamed(number, left_out)
        if source.note:
            say(source.note)
        divided = ", in parts" if set(source.parts) - {""} else ""
        images, classes = counted(len(source.files), "image"), counted(len(source.labels), "class", "classes")
        say(f"{number}/ is {path}: {images} of {classes}{divided}.")
    data, discarded = without_discarded(joined(paths, sources), paths)
    check_labels(data.root, data.labels, "expected sources with images")
    if not data.files:
        raise no_readable(data.root, [*skipped, *discarded])
    return data, [*skipped, *discarded]


def _read_label_sets(paths: tuple[Path, ...], training: bool) -> Dataset:
    path = paths[0]
    if len(paths) > 1 or path.suffix.lower() != ".csv" or not path.is_file():
        raise DataError(
            f"{shown(paths)}: --several-labels needs one CSV file of file,label, with labels such as 'a|b'."
        )
    return read_label_sets(path, training=training)


def _read(
    path: Path, training: bool, min_classes: int, several_labels: bool | None = None
) -> tuple[Dataset, list[Skipped]]:
    if printable(path) != str(path):
        raise DataError(f"{printable(path)}: the path is not UTF-8 text, so a run cannot record it. Rename it.")
    if path.is_file():
        if path.suffix.lower() != ".csv":
            raise DataError(about_file(path))
        return read_manifest(path, training=training, min_classes=min_classes, several_labels=several_labels), []
    if (path / INDEX).is_file():
        return _shards(path, min_classes)
    if path.is_dir() and any(path.glob("*.tfrecord")):
        raise DataError(f"{path}: has .tfrecord files but no {INDEX}. Write shards with: edgeclf data shard.")
    return scan(path, min_classes)


def refuse_inside(data: SourcePaths, out: Path) -> None:
    """Refuse to write into a folder of photographs, whose sub-folders are its classes.

    Raises:
        DataError: ``out`` would be a visible folder inside a source, or its path is not UTF-8 text.
    """
    if printable(out) != str(out):
        raise DataError(f"{printable(out)}: the path is not UTF-8 text. Choose another.")
    for source in paths_of(data):
        root, target = source.resolve(), out.resolve()
        if not source.is_dir() or (source / INDEX).is_file() or root not in target.parents:
            continue
        if not any(part.startswith(".") for part in target.relative_to(root).parts):
            if not subfolders(source):
                refuse_one_class(source)
            raise DataError(
                f"{out}: is inside the folder of photographs, {root}, where it would be taken for a class. "
                "Choose a folder outside of it."
            )


def unlisted(data: SourcePaths) -> Dataset:
    """Return a source's dataset without files; a split adds the files it lists."""
    paths, none = paths_of(data), np.zeros(0, np.int64)
    if len(paths) > 1:
        return Dataset(Path(" + ".join(map(str, paths))), (), (), none, (), sources=tuple(map(unlisted, paths)))
    root = paths[0].parent if paths[0].is_file() else paths[0]
    shards = Shards(root, read_index(root)) if (root / INDEX).is_file() and not paths[0].is_file() else None
    return Dataset(root, (), (), none, (), shards=shards)


def _shards(root: Path, min_classes: int) -> tuple[Dataset, list[Skipped]]:
    index = read_index(root)
    check_labels(root, index.labels, "expected shards of images", min_classes)
    listed = [
        Listed(part, target, file, group)
        for shard in index.shards
        for part, target, file, group in zip(shard.parts, shard.targets, shard.files, shard.groups, strict=True)
    ]
    data = in_order(root, tuple(index.labels), listed, Shards(root, index))
    return data, [Skipped(file, reason) for file, reason in index.skipped]
