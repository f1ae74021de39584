"""A CSV that lists photographs: ``file,label[,part][,group]``, paths relative to the CSV."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from edgeclf.dataset import PART_NAMES, Dataset, Listed, check_labels, in_order, natural
from edgeclf.errors import DataError
from edgeclf_runtime.plaintext import is_label, plain

__all__ = ["read_manifest"]

_COLUMNS = ("file", "label", "part", "group")
_MOST = 20  # mistakes named at once


@dataclass(frozen=True)
class _Row:
    line: int
    file: str
    label: str
    part: str
    group: str


def read_manifest(path: Path) -> Dataset:
    """The pictures a CSV lists, in the order a folder of them would have.

    ``part`` is train, validation (or val) or test, for every picture or for none. Pictures of one ``group`` (a
    person, a place, a film) are never divided between parts; an empty group is none.

    Raises:
        DataError: names every line that is wrong, up to twenty.
    """
    rows = list(_rows(path))
    wrong = sorted({*_mistakes(path.parent, rows)})
    if wrong:
        lines = [f"  line {line}: {text}" for line, text in wrong[:_MOST]]
        more = [f"  and {len(wrong) - _MOST} more"] if len(wrong) > _MOST else []
        count = "1 mistake" if len(wrong) == 1 else f"{len(wrong)} mistakes"
        raise DataError("\n".join([f"{path}: {count}; nothing was read.", *lines, *more]))
    trained = [row.label for row in rows if PART_NAMES.get(row.part.lower(), "train") == "train"]
    labels = tuple(sorted(set(trained), key=natural))
    check_labels(path, labels, "expected lines of file,label")
    groups = {name: number for number, name in enumerate(sorted({row.group for row in rows} - {""}))}
    listed = [
        Listed(PART_NAMES.get(row.part.lower(), ""), labels.index(row.label), row.file, groups.get(row.group, -1))
        for row in rows
    ]
    return in_order(path.parent, labels, listed)


def _rows(path: Path) -> Iterator[_Row]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            columns = [name.strip().lower() for name in next(reader, [])]
            if columns[:2] != ["file", "label"] or set(columns) - set(_COLUMNS) or len(set(columns)) < len(columns):
                raise DataError(
                    f"{path}: line 1: expected the header file,label with part and group where there are any, "
                    f"got {','.join(columns)!r}."
                )
            for cells in reader:
                if cells:
                    known = dict(zip(columns, [cell.strip() for cell in cells], strict=False))
                    text = known if len(cells) == len(columns) else {"label": f"\0{len(cells)} of {len(columns)}"}
                    text["label"] = unicodedata.normalize("NFC", text["label"])
                    yield _Row(reader.line_num, *(text.get(name, "") for name in _COLUMNS))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: not UTF-8 text. Save it as CSV in UTF-8.") from None
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num}: {error}.") from None


def _mistakes(root: Path, rows: list[_Row]) -> Iterator[tuple[int, str]]:
    first: dict[str, int] = {}
    divided = any(row.part for row in rows)
    trained = {row.label for row in rows if PART_NAMES.get(row.part.lower(), "train") == "train"}
    for row in rows:
        text = _mistake(root, row, divided, trained)
        if text is None and first.setdefault(row.file, row.line) != row.line:
            text = f"{row.file} stands on line {first[row.file]} already; keep one"
        if text is not None:
            yield row.line, text


def _mistake(root: Path, row: _Row, divided: bool, trained: set[str]) -> str | None:
    if row.label.startswith("\0"):
        return f"has {row.label[1:]} columns"
    if not row.file or not row.label:
        return "has no file" if not row.file else f"{row.file} has no label"
    if not is_label(row.label):
        return f"{row.label!r} cannot be a label"
    path = PurePosixPath(row.file)
    if path.is_absolute() or ".." in path.parts or plain(row.file) != row.file or path.as_posix() != row.file:
        return f"{row.file!r} is not a plain path inside the CSV's folder; keep the CSV in it or above it"
    if not _is_file(root / path):
        return f"{row.file}: no such file in {root}"
    if row.part and row.part.lower() not in PART_NAMES:
        return f"part {row.part!r}, expected train, validation or test"
    if divided and not row.part:
        return f"{row.file} has no part, others have; give all or none"
    if row.label not in trained:
        return f"label {row.label!r} is in no line of the train part"
    return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name longer than the system takes
        return False
