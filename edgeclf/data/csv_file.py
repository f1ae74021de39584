"""Read a CSV that lists photographs: ``file,label[,part][,group]``, separated by commas, semicolons or tabs."""

from __future__ import annotations

import csv
import io
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edgeclf.data.dataset import PART_NAMES, Dataset, Listed, check_labels, in_order, natural
from edgeclf.errors import DataError
from edgeclf_runtime.system.plain_text import counted, is_label, plain

__all__ = ["Row", "csv_error", "file_mistake", "group_numbers", "part_of", "read_manifest", "read_rows"]

_COLUMNS = ("file", "label", "part", "group")
_MOST = 20  # mistakes listed in one error
_SEPARATOR = re.compile(r"sep=.", re.IGNORECASE)
_FIRST_NAME = re.compile(r"\s*\"?\s*file\s*\"?[ ]*([,;\t])", re.IGNORECASE)
_ELSEWHERE = re.compile(r"[A-Za-z]:[\\/]|\\\\")  # a drive, or another computer's share
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


@dataclass(frozen=True)
class Row:
    """One line of a CSV, its cells stripped; if the label begins with NUL, the rest names the line's columns."""

    line: int
    file: str
    label: str
    part: str
    group: str


def read_manifest(
    path: Path, *, training: bool = True, min_classes: int = 2, several_labels: bool | None = None
) -> Dataset:
    """Read the images that a CSV lists, in the order that a folder of the same images has.

    ``part`` is train, validation (or val) or test, and is given for every image or for none. Images of one ``group``
    (a person, a place, a video) always stay in one part; an empty cell means no group. The files must be in the CSV's
    folder or below it.

    Args:
        path: the CSV file.
        training: whether the images are for training. If not, one label is enough, and the train part may lack labels.
        min_classes: minimum number of classes for training.
        several_labels: False: ``a|b`` is one label; None: the same, unless ``a`` or ``b`` is also a label elsewhere.

    Raises:
        DataError: the file cannot be used; the error lists up to twenty wrong lines.
    """
    rows = list(read_rows(path))
    trained = {row.label for row in rows if not training or part_of(row, "train") == "train"}
    if several_labels is None:
        _refuse_unclear(path, trained)
    wrong = sorted({*_mistakes(path.parent, rows, trained)})
    if wrong:
        raise csv_error(path, wrong)
    labels = tuple(sorted(trained, key=natural))
    if training or not labels:
        check_labels(path, labels, "expected lines of file,label", min_classes)
    groups = group_numbers(rows)
    listed = [Listed(part_of(row), labels.index(row.label), row.file, groups.get(row.group, -1)) for row in rows]
    return in_order(path.parent, labels, listed)


def part_of(row: Row, otherwise: str = "") -> str:
    """Return the part of a line by its name in ``PARTS``; ``otherwise`` if the line has none."""
    return PART_NAMES.get(row.part.lower(), otherwise)


def group_numbers(rows: Iterable[Row]) -> dict[str, int]:
    """Number the groups by name."""
    return {name: number for number, name in enumerate(sorted({row.group for row in rows} - {""}))}


def csv_error(path: Path, wrong: Sequence[tuple[int, str]]) -> DataError:
    """Return an error that lists wrong lines, (line, text)."""
    lines = [f"  line {line}: {text}" for line, text in wrong[:_MOST]]
    more = [f"  and {len(wrong) - _MOST} more"] if len(wrong) > _MOST else []
    first = f"{path}: {counted(len(wrong), 'mistake')}; no image was read."
    return DataError("\n".join([first, *lines, *more]))


def _refuse_unclear(path: Path, labels: set[str]) -> None:
    """Refuse labels with ``|`` whose parts are also labels of their own."""
    pieces = Counter(piece.strip() for label in labels for piece in label.split("|"))
    for label in sorted(labels):
        if "|" in label and any(pieces[piece.strip()] > 1 for piece in label.split("|")):
            raise DataError(
                f"{path}: {label!r} may be one label or several. For edgeclf train, pass --several-labels, or "
                "--no-several-labels if '|' is part of the name; other commands take labels without '|'."
            )


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the lines of a CSV below its header, without empty ones.

    Raises:
        DataError: the file cannot be read, or has another header.
    """
    lines = list(io.StringIO(_text(path), newline=""))
    before = _empty(lines)
    if before < len(lines) and _SEPARATOR.fullmatch(lines[before].rstrip("\r\n")):  # "sep=;" of spreadsheets
        before += 1
    before += _empty(lines[before:])
    reader = csv.reader(lines[before:], delimiter=_delimiter(lines[before:][:1]), strict=True, skipinitialspace=True)
    try:
        columns = _cells(next(reader, []), 0)
        names = [name.lower() for name in columns]
        if names[:2] != ["file", "label"] or set(names) - set(_COLUMNS) or len(set(names)) < len(names):
            raise DataError(
                f"{path}: line {before + 1}: expected the header file,label (part and group may follow), "
                f"got {','.join(names)!r}."
            )
        for cells in reader:
            if content := _cells(cells, len(names)):
                by_column = dict(zip(names, content, strict=False))
                text = by_column if len(content) == len(names) else {"label": f"\0{len(content)} of {len(names)}"}
                text["label"] = unicodedata.normalize("NFC", text["label"])
                text["file"] = _spelled(path.parent, text.get("file", ""))
                yield Row(before + reader.line_num, *(text.get(name, "") for name in _COLUMNS))
    except csv.Error as error:
        raise DataError(f"{path}: line {before + reader.line_num}: {error}.") from None


def _empty(lines: Sequence[str]) -> int:
    """Count the empty lines at the start, also those of separators alone."""
    return next((number for number, line in enumerate(lines) if line.strip(" ,;\t\r\n")), len(lines))


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        return data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: not UTF-8 text. Save it as CSV in UTF-8.") from None


def _delimiter(header: list[str]) -> str:
    """Return the separator after the header's first name: spreadsheets write commas, semicolons or tabs."""
    match = _FIRST_NAME.match(header[0]) if header else None
    return match[1] if match else ","


def _cells(cells: list[str], columns: int) -> list[str]:
    """Strip the cells and drop empty ones beyond the last column; return an empty list for an empty row."""
    cells = [cell.strip() for cell in cells]
    while len(cells) > columns and not cells[-1]:
        cells.pop()
    return cells if any(cells) else []


def _spelled(root: Path, file: str) -> str:
    """Return a path inside the CSV's folder relative to it and spelled as on the disk; any other path unchanged.

    Accepts ``./img/x``, ``img/../img/x``, absolute paths, backslashes and other normal forms of Unicode.
    """
    if plain(file) != file or _ADDRESS.match(file):
        return file
    forms = [file, file.replace("\\", "/")]
    forms += [unicodedata.normalize(form, forms[1]) for form in ("NFC", "NFD")]
    inside = [name for name in map(partial(_relative, root), dict.fromkeys(forms)) if name]
    return next((name for name in inside if _is_file(root / name)), inside[0] if inside else file)


def _relative(root: Path, file: str) -> str | None:
    """Return the path relative to the folder; None if it is outside of it."""
    given = Path(os.path.abspath(root / file))
    folder = Path(os.path.abspath(root))
    try:
        for path, base in (
            (given, folder),
            (given, folder.resolve()),
            (given.parent.resolve() / given.name, folder.resolve()),
        ):
            if base in path.parents:
                return path.relative_to(base).as_posix()
    except (OSError, RuntimeError, ValueError):  # a name too long for the system, or a cycle of links
        pass
    return None


def _mistakes(root: Path, rows: list[Row], trained: set[str]) -> Iterator[tuple[int, str]]:
    first: dict[str, Row] = {}
    divided = any(row.part for row in rows)
    for row in rows:
        text = _mistake(root, row, divided, trained)
        before = row if text is not None else first.setdefault(row.file, row)
        if before is not row:
            ways = "keep one of the two" if before.label == row.label else "keep one, or see: train --several-labels"
            text = f"{row.file} is already on line {before.line}; {ways}"
        if text is not None:
            yield row.line, text


def _mistake(root: Path, row: Row, divided: bool, trained: set[str]) -> str | None:
    if row.label.startswith("\0"):
        return f"has {row.label[1:]} columns"
    if not row.file or not row.label:
        return "has no file" if not row.file else f"{row.file} has no label"
    if not is_label(row.label):
        return f"{row.label!r} cannot be a label"
    if text := file_mistake(root, row, divided):
        return text
    return None if row.label in trained else f"label {row.label!r} is on no line of the train part"


def file_mistake(root: Path, row: Row, divided: bool) -> str | None:
    """Return what is wrong with a line's file or part; None if nothing is.

    Args:
        root: the CSV's folder.
        row: the line.
        divided: whether the CSV has parts.
    """
    if plain(row.file) != row.file:
        return f"{row.file!r} has a control character; rename the file"
    if _ADDRESS.match(row.file):
        return f"{row.file!r} is an address, not a file; download the image and give its path"
    if _ELSEWHERE.match(row.file):
        return f"{row.file!r} is a path on another computer; write it relative to the CSV"
    if _relative(root, row.file) != row.file:
        return f"{row.file!r} is outside the CSV's folder, {root}; move the CSV to a folder above all images"
    if not _is_file(root / row.file):
        return f"{row.file}: no such file in {root}"
    if row.part and row.part.lower() not in PART_NAMES:
        return f"part {row.part!r}, expected train, validation or test"
    if divided and not row.part:
        return f"{row.file} has no part, but other lines have one; fill in all or none"
    return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name too long for the system
        return False
