"""Read label files: one label per line, in the order of the model's outputs."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Union

from edgeclf_runtime.errors import LabelsError
from edgeclf_runtime.model.archive import Archive
from edgeclf_runtime.model.metadata import LabelFile
from edgeclf_runtime.system.plain_text import plain

__all__ = ["LABELS_LIMIT", "PathOrLabels", "embedded_labels", "given_labels", "labels_beside", "parse_labels"]

PathOrLabels = Union[str, "os.PathLike[str]", Sequence[str]]

LABELS_LIMIT = 1 << 20
"""Size of the largest label file accepted, in bytes."""

_NUMBERED = re.compile(r"(\d{1,6})([:\s]\s*)(.*\S)")


def parse_labels(data: bytes, name: str, *, numbered: bool = True) -> tuple[str, ...]:
    """Parse the content of a label file; empty lines at the end are ignored.

    Args:
        data: UTF-8 text, one label per line.
        name: name of the file, for errors.
        numbered: accept lines such as "0  tench", as written by Coral and Teachable Machine, if the numbers run from 0
            without gaps; they then give the order. Otherwise a number is part of the label, also if labels would be
            equal without it, such as "0 fingers" and "1 fingers".

    Raises:
        LabelsError: not UTF-8, no labels, or an empty line.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise LabelsError(f"{name}: expected a label per line in UTF-8.") from None
    lines = [plain(line).strip() for line in text.rstrip().split("\n")]
    if "" in lines:
        raise LabelsError(f"{name}: no label in line {lines.index('') + 1}.")
    return _unnumbered(lines) if numbered else tuple(lines)


def _unnumbered(lines: list[str]) -> tuple[str, ...]:
    matches = [_NUMBERED.fullmatch(line) for line in lines]
    by_index = {int(match[1]): match[3] for match in matches if match}
    if set(by_index) != set(range(len(lines))):
        return tuple(lines)
    # A few duplicates, such as ImageNet's two cranes, are accepted with the two spaces of Coral's label files.
    wide = all(match and len(match[2]) > 1 for match in matches)
    if len(set(by_index.values())) < len(lines) * (0.9 if wide else 1):
        return tuple(lines)
    return tuple(by_index[index] for index in range(len(lines)))


def given_labels(labels: PathOrLabels) -> tuple[str, ...]:
    """Return the given labels, or read them from the given file.

    Raises:
        LabelsError: the file cannot be read.
    """
    if not isinstance(labels, (str, os.PathLike)):
        return tuple(labels)
    path = Path(labels)
    try:
        with path.open("rb") as file:
            data = file.read(LABELS_LIMIT + 1)
    except OSError as error:
        raise LabelsError(f"{path}: {error.strerror or error}.") from error
    if len(data) > LABELS_LIMIT:
        raise LabelsError(f"{path}: larger than {LABELS_LIMIT >> 10} KB, which is too large for a list of labels.")
    return parse_labels(data, str(path))


def embedded_labels(archive: Archive, files: Sequence[LabelFile]) -> tuple[str, ...] | None:
    """Read the labels in the archive: the first file named by the metadata, else the only text file."""
    texts = [name for name in archive.names if name.lower().endswith(".txt")]
    named = [file.name for file in files if file.name in archive.names]
    chosen = named[:1] or (texts if len(texts) == 1 else [])
    data = archive.read(chosen[0], LABELS_LIMIT) if chosen else None
    return None if data is None else parse_labels(data, f"{chosen[0]} in it")


def labels_beside(path: Path) -> tuple[str, ...]:
    """Read the labels from a file next to the model.

    Raises:
        LabelsError: there is no such file.
    """
    names = (f"{path.stem}.txt", "labels.txt", f"{path.stem}_labels.txt")
    for name in names:
        if (path.parent / name).is_file():
            return given_labels(path.parent / name)
    others = " or ".join(names)
    raise LabelsError(
        f"{path}: no labels in it or next to it as {others}; write them to {path.with_name(names[0])}, one per "
        "line, or give them with --labels FILE, if the command has it."
    )
