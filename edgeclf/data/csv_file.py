"""A CSV that lists photographs, ``file,label[,part][,group]`` between commas, semicolons or tabs; they lie below it."""

from __future__ import annotations

import csv
import io
import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edgeclf.data.dataset import PART_NAMES, Dataset, Listed, check_labels, in_order, natural
from edgeclf.errors import DataError
from edgeclf_runtime.system.plain_text import is_label, plain

__all__ = ["read_manifest"]

_COLUMNS = ("file", "label", "part", "group")
_MOST = 20  # mistakes named at once
_SEPARATOR = re.compile(r"sep=.", re.IGNORECASE)
_FIRST_NAME = re.compile(r"\s*\"?\s*file\s*\"?[ ]*([,;\t])", re.IGNORECASE)
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


@dataclass(frozen=True)
class _Row:
    line: int
    file: str
    label: str
    part: str
    group: str


def read_manifest(path: Path, *, training: bool = True, min_classes: int = 2) -> Dataset:
    """The pictures a CSV lists, in the order a folder of them would have.

    ``part`` is train, validation (or val) or test, for every picture or for none. Pictures of one ``group`` (a
    person, a place, a film) are never divided between parts; an empty group is none.

    Args:
        path: of the CSV.
        training: whether it is to be trained on; else one label is enough, and the train part need not have it.
        min_classes: classes that it must have for a training.

    Raises:
        DataError: names every line that is wrong, up to twenty.
    """
    rows = list(_rows(path))
    trained = {row.label for row in rows if not training or PART_NAMES.get(row.part.lower(), "train") == "train"}
    wrong = sorted({*_mistakes(path.parent, rows, trained)})
    if wrong:
        lines = [f"  line {line}: {text}" for line, text in wrong[:_MOST]]
        more = [f"  and {len(wrong) - _MOST} more"] if len(wrong) > _MOST else []
        count = "1 mistake" if len(wrong) == 1 else f"{len(wrong)} mistakes"
        raise DataError("\n".join([f"{path}: {count}; nothing was read.", *lines, *more]))
    labels = tuple(sorted(trained, key=natural))
    if training or not labels:
        check_labels(path, labels, "expected lines of file,label", min_classes)
    groups = {name: number for number, name in enumerate(sorted({row.group for row in rows} - {""}))}
    listed = [
        Listed(PART_NAMES.get(row.part.lower(), ""), labels.index(row.label), row.file, groups.get(row.group, -1))
        for row in rows
    ]
    return in_order(path.parent, labels, listed)


def _rows(path: Path) -> Iterator[_Row]:
    lines = list(io.StringIO(_text(path), newline=""))
    before = 1 if lines and _SEPARATOR.fullmatch(lines[0].rstrip("\r\n")) else 0  # a line for spreadsheets
    reader = csv.reader(lines[before:], delimiter=_delimiter(lines[before:][:1]), strict=True, skipinitialspace=True)
    try:
        columns = _cells(next(reader, []), 0)
        names = [name.lower() for name in columns]
        if names[:2] != ["file", "label"] or set(names) - set(_COLUMNS) or len(set(names)) < len(names):
            raise DataError(
                f"{path}: line {before + 1}: expected the header file,label with part and group where there are any, "
                f"got {','.join(names)!r}."
            )
        for cells in reader:
            if content := _cells(cells, len(names)):
                by_column = dict(zip(names, content, strict=False))
                text = by_column if len(content) == len(names) else {"label": f"\0{len(content)} of {len(names)}"}
                text["label"] = unicodedata.normalize("NFC", text["label"])
                text["file"] = _spelled(path.parent, text.get("file", ""))
                yield _Row(before + reader.line_num, *(text.get(name, "") for name in _COLUMNS))
    except csv.Error as error:
        raise DataError(f"{path}: line {before + reader.line_num}: {error}.") from None


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        return data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: not UTF-8 text. Save it as CSV in UTF-8.") from None


def _delimiter(header: list[str]) -> str:
    """Of comma, semicolon and tab, the one behind the header's first name; spreadsheets write each of them."""
    match = _FIRST_NAME.match(header[0]) if header else None
    return match[1] if match else ","


def _cells(cells: list[str], columns: int) -> list[str]:
    """Without the space around them, and without empty ones beyond the columns; none for an empty row."""
    cells = [cell.strip() for cell in cells]
    while len(cells) > columns and not cells[-1]:
        cells.pop()
    return cells if any(cells) else []


def _spelled(root: Path, file: str) -> str:
    """A path inside the CSV's folder as the folder itself spells it, relative; any other unchanged.

    Taken for the same: ``./img/x``, ``img/../img/x``, an absolute path, backslashes, another form of Unicode.
    """
    if plain(file) != file:
        return file
    forms = [file, file.replace("\\", "/")]
    forms += [unicodedata.normalize(form, forms[1]) for form in ("NFC", "NFD")]
    inside = [name for name in map(partial(_relative, root), dict.fromkeys(forms)) if name]
    return next((name for name in inside if _is_file(root / name)), inside[0] if inside else file)


def _relative(root: Path, file: str) -> str | None:
    """Where it is in the folder; None where it leads out of it."""
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
    except (OSError, RuntimeError, ValueError):  # a name longer than the system takes, a circle of links
        pass
    return None


def _mistakes(root: Path, rows: list[_Row], trained: set[str]) -> Iterator[tuple[int, str]]:
    first: dict[str, int] = {}
    divided = any(row.part for row in rows)
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
    if plain(row.file) != row.file:
        return f"{row.file!r} has a control character; rename the file"
    if _DRIVE.match(row.file):
        return f"{row.file!r} is a path of another computer; give it relative to the CSV"
    if _relative(root, row.file) != row.file:
        return f"{row.file!r} lies outside of the CSV's folder, {root}; keep the CSV in a folder above the pictures"
    if not _is_file(root / row.file):
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
