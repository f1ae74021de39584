"""How a folder of photographs is arranged: classes, or parts that have them, also below folders that only wrap them."""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from edgeclf.data.dataset import PART_NAMES, natural
from edgeclf.data.hints import about_missing
from edgeclf.errors import DataError
from edgeclf_runtime.pictures.images import IMAGE_SUFFIXES
from edgeclf_runtime.sinks.snapshots.name import FOLDERS

__all__ = ["Layout", "class_name", "ignored", "loose_pictures", "read_layout", "subfolders", "unwrapped"]

_IGNORED = {"thumbs.db", "desktop.ini"}
_PASSED_OVER = {"__MACOSX", "__pycache__", *FOLDERS}
_DEEPEST = 4  # folders that only wrap others

_PART_WORDS = {"train": "train|training", "validation": "val|valid|validation", "test": "test|testing"}
_NAMED_LIKE = {
    part: re.compile(rf"(^|[^a-z])({words})(sets?|data|images?|imgs?)?\d*([^a-z]|$)", re.IGNORECASE)
    for part, words in _PART_WORDS.items()
}
_OTHER_PART = re.compile(r"(^|[ _.-])(dev|eval|holdout)([ _.-]|$)", re.IGNORECASE)
_UNLABELLED = re.compile(r"(^|[ _.-])(pred|predict|predictions?|unlabell?ed|inference)([ _.-]|$)", re.IGNORECASE)


@dataclass(frozen=True)
class Layout:
    """Where the classes' folders are.

    Attributes:
        parts: the folder that has them, by part; the only key is "" where the source is not divided.
        note: how it was understood, where the folder's own names do not say so; else empty.
    """

    parts: dict[str, Path]
    note: str = ""


def read_layout(root: Path) -> Layout:
    """Find the parts or classes, below folders that hold nothing but one folder, too.

    Raises:
        DataError: the folder is missing, or its folders may be parts as well as classes: two mean the same part, one
            beside several parts is none, one looks like a part and is called otherwise, or one has parts of its own or
            the classes once more.
    """
    base = unwrapped(root)
    folders = subfolders(base)
    parts = _parts_by_name(base, folders) or _parts_by_likeness(base, folders)
    if not parts:
        _refuse_parts(folders)
        _refuse_repeated(folders)
        return Layout({"": base}, "" if base == root else f"{root}: the classes are in {base.relative_to(root)}/.")
    train = unwrapped(parts["train"]) if "train" in parts else None
    labels = {class_name(folder) for folder in subfolders(train)} if train else set()
    inner = {part: unwrapped(folder, labels) if part != "train" else folder for part, folder in parts.items()}
    inner |= {"train": train} if train else {}
    plain = all(folder.parent == root and folder.name.lower() in PART_NAMES for folder in inner.values())
    listed = ", ".join(f"{part} {folder.relative_to(root)}/" for part, folder in inner.items())
    left = [folder.name for folder in folders if folder not in parts.values()]
    without = f"; {', '.join(left)} has no classes and is left out" if left else ""
    return Layout(inner, "" if plain and not left else f"{root}: its parts are {listed}{without}.")


def unwrapped(folder: Path, labels: Collection[str] = ()) -> Path:
    """The first folder, itself or below, that holds more than one folder with folders, or is called as a label."""
    for _ in range(_DEEPEST):
        inside = subfolders(folder)
        if len(inside) != 1 or class_name(inside[0]) in labels or loose_pictures(folder):
            break
        if not subfolders(inside[0]) or loose_pictures(inside[0]):  # a class, be it the only one
            break
        folder = inside[0]
    return folder


def subfolders(root: Path) -> list[Path]:
    """Those that are not hidden, in the order of their names.

    Raises:
        DataError: no such folder.
    """
    if not root.exists():
        raise DataError(about_missing(root))
    if not root.is_dir():
        raise DataError(f"{root}: is a file; expected a folder with one sub-folder of pictures per class.")
    folders = (path for path in root.iterdir() if path.is_dir() and not _is_hidden(path.name))
    return sorted(folders, key=lambda path: natural(class_name(path)))


def class_name(folder: Path) -> str:
    """In the composed form of Unicode, whatever form the disk it comes from has."""
    return unicodedata.normalize("NFC", folder.name)


def loose_pictures(folder: Path) -> list[Path]:
    """The pictures beside the classes' folders."""
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and not ignored(path, folder)]
    return [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]


def ignored(path: Path, below: Path) -> bool:
    """Whether a file is hidden, or in a folder that is, or one that systems leave behind."""
    return any(map(_is_hidden, path.relative_to(below).parts)) or path.name.lower() in _IGNORED


def _parts_by_name(root: Path, folders: list[Path]) -> dict[str, Path]:
    """By the names that parts have."""
    parts: dict[str, Path] = {}
    others = [folder for folder in folders if folder.name.lower() not in PART_NAMES]
    named = [folder for folder in folders if folder not in others]
    names = {PART_NAMES[folder.name.lower()] for folder in named}
    if others and "train" in names and len(names) > 1:
        others = [folder for folder in others if not _is_unlabelled(folder)]
        if others:
            raise DataError(
                f"{root}: {others[0].name!r} is next to train/ but is not a split. Rename it to train, val or test, or "
                f"move it away{f'; to train on it alone: {_command(others[0])}' if _holds_classes(others[0]) else ''}."
            )
    if others or not names & {"train", "test"}:
        return {}
    for folder in named:
        part = PART_NAMES[folder.name.lower()]
        if part in parts:
            raise DataError(f"{root}: both {parts[part].name} and {folder.name} mean the {part} part. Keep one.")
        parts[part] = folder
    return parts


def _parts_by_likeness(root: Path, folders: list[Path]) -> dict[str, Path]:
    """By names such as ``training_set`` and ``seg_test``, where each has the same classes below."""
    likely = [(part, folder) for folder in folders for part in _likely_parts(folder) if _holds_classes(folder)]
    parts = dict(likely)
    if "train" not in parts or len(parts) < 2:
        return {}
    others = [folder for folder in folders if folder not in parts.values() and not _is_unlabelled(folder)]
    labels = {part: _labels_below(folder) for part, folder in parts.items()}
    if len(likely) > len(parts) or others or any(not names <= labels["train"] for names in labels.values()):
        return {}  # refused as what may be either
    return {part: parts[part] for part in _PART_WORDS if part in parts}


def _likely_parts(folder: Path) -> Iterator[str]:
    parts = [part for part, words in _NAMED_LIKE.items() if words.search(folder.name)]
    yield from parts if len(parts) == 1 else ()


def _labels_below(folder: Path) -> set[str]:
    return {class_name(sub) for sub in subfolders(unwrapped(folder))}


def _holds_classes(folder: Path) -> bool:
    inner = unwrapped(folder)
    return len(subfolders(inner)) > 1 and not loose_pictures(folder) and not loose_pictures(inner)


def _is_unlabelled(folder: Path) -> bool:
    """Pictures to predict, as some collections have them."""
    return bool(_UNLABELLED.search(folder.name)) and not _holds_classes(folder)


def _refuse_parts(folders: list[Path]) -> None:
    """Parts under other names would else become the classes."""
    called = [f for f in folders if _OTHER_PART.search(f.name) or any(w.search(f.name) for w in _NAMED_LIKE.values())]
    likely = [folder for folder in called if _holds_classes(folder)]
    train = [folder for folder in likely if "train" in _likely_parts(folder)]
    if len(likely) > 1 or (train and len(called) > 1) or (likely and likely[0].name.lower() in PART_NAMES):
        first = (train or likely)[0]
        raise DataError(
            f"{first}: looks like a part, not a class: its name, and it holds folders, no picture. Call the parts "
            "train, val and test, and move away what is none; a class has its pictures in its own folder. To train on "
            f"this one alone: {_command(unwrapped(first))}"
        )


def _refuse_repeated(folders: list[Path]) -> None:
    """A folder that has parts, or the classes once more, as an archive unpacked into itself leaves it, is no class."""
    names = {class_name(folder) for folder in folders}
    for folder in folders:
        inside = subfolders(folder)
        below, parts = {class_name(sub) for sub in inside}, {part for sub in inside for part in _likely_parts(sub)}
        if "train" in parts and len(parts) > 1 and all(map(_holds_classes, inside)):
            raise DataError(
                f"{folder}: has parts of its own ({', '.join(sorted(below))}), so it is no class. Move away what is "
                f"beside it, or train on it alone: {_command(folder)}"
            )
        if len(below & names) > 1 and not loose_pictures(folder):
            raise DataError(
                f"{folder}: has the classes beside it once more ({', '.join(sorted(below & names)[:3])}). "
                f"Move it away, or train on it alone: {_command(folder)}"
            )


def _command(folder: Path) -> str:
    return shlex.join(["edgeclf", "train", str(folder)])


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in _PASSED_OVER
