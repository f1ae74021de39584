"""Read a CSV in which an image may have several labels: ``a|b``, or one line per label; ``_none`` for no label."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from edgeclf.data.csv_file import Row, csv_error, file_mistake, group_numbers, part_of, read_rows
from edgeclf.data.dataset import Dataset, check_labels, natural
from edgeclf.data.label_cell import split_names
from edgeclf_runtime.prediction import NOTHING
from edgeclf_runtime.system.plain_text import is_label

__all__ = ["read_label_sets", "with_presence"]

Presence = npt.NDArray[np.bool_]


@dataclass
class _Image:
    """What the lines of one file say; ``lines`` has the line number of each label."""

    first: Row
    lines: dict[str, int] = field(default_factory=dict)


def read_label_sets(path: Path, *, training: bool = True) -> Dataset:
    """Read the images listed in a CSV, each with any number of labels; columns as for ``read_manifest``.

    A label cell has one label, several separated by ``|``, or ``_none``. A file may be on several lines, which must
    agree in part and group.

    Args:
        path: the CSV file.
        training: whether the images are for training. If not, one label is enough, and the train part may lack labels.

    Returns:
        the images, with ``presence``; sorted by part, labels and path.

    Raises:
        DataError: the file cannot be used; the error lists up to twenty wrong lines.
    """
    rows = list(read_rows(path))
    divided = any(row.part for row in rows)
    trained = {
        name for row in rows if not training or part_of(row, "train") == "train" for name in split_names(row.label)
    }
    images: dict[str, _Image] = {}
    wrong = {(row.line, text) for row in rows for text in _mistakes(path.parent, row, images, divided, trained)}
    if wrong:
        raise csv_error(path, sorted(wrong))
    labels = tuple(sorted(trained, key=natural))
    if training or not labels:
        check_labels(path, labels, "expected lines of file,label or file,label|label")
    numbers = group_numbers(rows)
    listed = [
        (part_of(image.first), sorted(labels.index(name) for name in image.lines if name), file)
        for file, image in images.items()
    ]
    listed.sort(key=lambda item: (item[0], item[1], PurePosixPath(item[2]).parts))
    presence = np.zeros((len(listed), len(labels)), np.bool_)
    for row, (_, present, _) in enumerate(listed):
        presence[row, present] = True
    files, parts = tuple(item[2] for item in listed), tuple(item[0] for item in listed)
    groups = np.array([numbers.get(images[file].first.group, -1) for file in files], np.int64)
    return with_presence(Dataset(path.parent, labels, files, np.zeros(len(files), np.int64), parts, groups), presence)


def with_presence(data: Dataset, presence: Presence) -> Dataset:
    """Return the images with these labels, bool ``[files, labels]``; the targets number the distinct sets."""
    targets = np.unique(presence, axis=0, return_inverse=True)[1] if len(presence) else np.zeros(0, np.int64)
    return replace(data, presence=presence, targets=np.asarray(targets, np.int64).reshape(-1))


def _mistakes(root: Path, row: Row, images: dict[str, _Image], divided: bool, trained: set[str]) -> Iterator[str]:
    """Yield what is wrong with a line; add its labels to its image."""
    if row.label.startswith("\0"):
        yield f"has {row.label[1:]} columns"
    elif not row.file:
        yield "has no file"
    elif not row.label:
        yield f"{row.file} has no label; if none of the labels is right, write {NOTHING}"
    elif text := _label_mistake(row.label, trained) or file_mistake(root, row, divided):
        yield text
    else:
        image = images.setdefault(row.file, _Image(row))
        yield from _disagreements(row, image)
        image.lines |= {name: row.line for name in split_names(row.label) or [""]}


def _label_mistake(cell: str, trained: set[str]) -> str | None:
    names = split_names(cell)
    for name in names:
        if not name:
            return f"{cell!r} has an empty label"
        if name == NOTHING:
            return f"{cell!r}: an image of {NOTHING} has no other label"
        if not is_label(name):
            return f"{name!r} cannot be a label"
        if name not in trained:
            return f"label {name!r} is on no line of the train part"
    return f"{cell!r} has a label twice" if len(set(names)) < len(names) else None


def _disagreements(row: Row, image: _Image) -> Iterator[str]:
    """Yield how a line contradicts the file's lines before it."""
    names = split_names(row.label) or [""]
    if again := [name for name in names if name in image.lines]:
        line = image.lines[again[0]]
        yield f"{row.file} has label {again[0] or NOTHING!r} already on line {line}; keep one of the two"
    elif image.lines and ("" in names) != ("" in image.lines):
        other = next(iter(image.lines))
        yield f"{row.file} has label {other or NOTHING!r} on line {image.lines[other]}; {NOTHING} goes with no other"
    for column in ("part", "group"):
        before, now = getattr(image.first, column), getattr(row, column)
        if before != now:
            yield f"{row.file} has {column} {now!r}, but {before!r} on line {image.first.line}"
