"""Find the classes and parts in a folder of photographs, also below folders that hold only one other folder."""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from edgeclf.data.dataset import PART_NAMES, natural
from edgeclf.data.hints import about_flat_part, about_missing
from edgeclf.errors import DataError
from edgeclf_runtime.pictures.images import IMAGE_SUFFIXES
from edgeclf_runtime.sinks.snapshots.name import FOLDERS

__all__ = ["Layout", "class_name", "ignored", "loose_pictures", "read_layout", "subfolders", "unwrapped"]

_IGNORED = {"thumbs.db", "desktop.ini"}
_PASSED_OVER = {"__MACOSX", "__pycache__", *FOLDERS}
_DEEPEST = 4  # levels of folders that hold only one other folder

_PART_WORDS = {"train": "train|training|trn", "validation": "val|valid|validation", "test": "test|testing|tst"}
_NAMED_LIKE = {
    part: re.compile(rf"(^|[^a-z])({words})(sets?|data|images?|imgs?)?\d*([^a-z]|$)", re.IGNORECASE)
    for part, words in _PART_WORDS.items()
}
_OTHER_PART = re.compile(r"(^|[ _.-])(dev|eval|holdout)([ _.-]|$)", re.IGNORECASE)
_UNLABELLED = re.compile(r"(^|[ _.-])(pred|predict|predictions?|unlabell?ed|inference)([ _.-]|$)", re.IGNORECASE)


@dataclass(frozen=True)
class Layout:
    """The layout of a folder of photographs.

    Attributes:
        parts: the folder with the class folders, by part; if the source is not split, its only key is "".
        note: one line on how the layout was interpreted; empty if the folder's names leave no doubt.
    """

    parts: dict[str, Path]
    note: str = ""


def read_layout(root: Path) -> Layout:
    """Find the parts or classes, also below folders that hold only one other folder.

    Raises:
        DataError: the folder is missing, or it is unclear whether its folders are parts or classes: two stand for the
            same part, one among several parts is not a part, one resembles a part under another name, or one has parts
            of its own or repeats the classes.
    """
    base = unwrapped(root)
    folders = subfolders(base)
    _refuse_flat(folders)
    parts = _parts_by_name(base, folders) or _parts_by_likeness(base, folders)
    if not parts:
        _refuse_parts(folders)
        _refuse_repeated(folders)
        _refuse_without_images(folders)
        return Layout({"": base}, "" if base == root else f"{root}: the classes are in {base.relative_to(root)}/.")
    train = unwrapped(parts["train"]) if "train" in parts else None
    labels = {class_name(folder) for folder in subfolders(train)} if train else set()
    inner = {part: unwrapped(folder, labels) if part != "train" else folder for part, folder in parts.items()}
    inner |= {"train": train} if train else {}
    plain = all(folder.parent == root and folder.name.lower() in PART_NAMES for folder in inner.values())
    listed = ", ".join(f"{part} {folder.relative_to(root)}/" for part, folder in inner.items())
    left = [folder.name for folder in folders if folder not in parts.values()]
    without = f"; {', '.join(left)} has no classes and is ignored" if left else ""
    return Layout(inner, "" if plain and not left else f"{root}: the parts are {listed}{without}.")


def unwrapped(folder: Path, labels: Collection[str] = ()) -> Path:
    """Descend through folders that hold only one other folder, up to several folders or one named like a label."""
    for _ in range(_DEEPEST):
        inside = subfolders(folder)
        if len(inside) != 1 or class_name(inside[0]) in labels or loose_pictures(folder):
            break
        if not subfolders(inside[0]) or loose_pictures(inside[0]):  # it is a class, even if it is the only one
            break
        folder = inside[0]
    return folder


def subfolders(root: Path) -> list[Path]:
    """Return the visible sub-folders, sorted by name, without an empty ``none``, which Frigate creates.

    Raises:
        DataError: no such folder.
    """
    if not root.exists():
        raise DataError(about_missing(root))
    if not root.is_dir():
        raise DataError(f"{root}: is a file; expected a folder with one sub-folder of images per class.")
    folders = (path for path in root.iterdir() if path.is_dir() and not _is_hidden(path.name))
    folders = (path for path in folders if path.name != "none" or any(path.iterdir()))
    return sorted(folders, key=lambda path: natural(class_name(path)))


def class_name(folder: Path) -> str:
    """Return the folder's name in Unicode's composed form (NFC), whatever form the disk uses."""
    return unicodedata.normalize("NFC", folder.name)


def loose_pictures(folder: Path) -> list[Path]:
    """Return the images next to the class folders."""
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and not ignored(path, folder)]
    return list(filter(_is_picture, files))


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES


def ignored(path: Path, below: Path) -> bool:
    """Return whether a file is hidden, in a hidden folder, or a leftover of an operating system."""
    return any(map(_is_hidden, path.relative_to(below).parts)) or path.name.lower() in _IGNORED


def _parts_by_name(root: Path, folders: list[Path]) -> dict[str, Path]:
    """Find parts by their usual names."""
    parts: dict[str, Path] = {}
    others = [folder for folder in folders if folder.name.lower() not in PART_NAMES]
    named = [folder for folder in folders if folder not in others]
    names = {PART_NAMES[folder.name.lower()] for folder in named}
    if others and "train" in names and len(names) > 1:
        others = [folder for folder in others if not _is_unlabelled(folder)]
        if others:
            raise DataError(
                f"{root}: {others[0].name!r} is next to train/ but is not a split. Rename it to train, val or test, or "
                f"move it away{f'. To train on it alone: {_command(others[0])}' if _holds_classes(others[0]) else ''}."
            )
    if others or not names & {"train", "test"}:
        return {}
    for folder in named:
        part = PART_NAMES[folder.name.lower()]
        if part in parts:
            raise DataError(f"{root}: both {parts[part].name} and {folder.name} stand for the {part} part. Keep one.")
        parts[part] = folder
    return parts


def _parts_by_likeness(root: Path, folders: list[Path]) -> dict[str, Path]:
    """Find parts by names such as ``training_set`` and ``seg_test`` if all of them have the same classes."""
    likely = [(part, folder) for folder in folders for part in _likely_parts(folder) if _holds_classes(folder)]
    parts = dict(likely)
    if "train" not in parts or len(parts) < 2:
        return {}
    others = [folder for folder in folders if folder not in parts.values() and not _is_unlabelled(folder)]
    labels = {part: _labels_below(folder) for part, folder in parts.items()}
    if len(likely) > len(parts) or others or any(not names <= labels["train"] for names in labels.values()):
        return {}  # ambiguous; refused later
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
    """Return whether a folder holds unlabelled images for prediction, as in some public datasets."""
    return bool(_UNLABELLED.search(folder.name)) and not _holds_classes(folder)


def _refuse_flat(folders: list[Path]) -> None:
    """Refuse parts that hold images without classes, as ``train/train/cat.1.jpg``."""
    parts = [part for folder in folders for part in _likely_parts(folder) if _is_flat(folder)]
    if "train" in parts and len(set(parts)) == len(folders) > 1:
        raise DataError(about_flat_part(folders[parts.index("train")]))


def _is_flat(folder: Path) -> bool:
    inside = subfolders(folder)
    again = len(inside) == 1 and inside[0].name == folder.name and bool(loose_pictures(inside[0]))
    return again or (not inside and bool(loose_pictures(folder)))


def _refuse_parts(folders: list[Path]) -> None:
    """Refuse folders that look like parts under other names: they would become the classes."""
    called = [f for f in folders if _OTHER_PART.search(f.name) or any(w.search(f.name) for w in _NAMED_LIKE.values())]
    likely = [folder for folder in called if _holds_classes(folder)]
    train = [folder for folder in likely if "train" in _likely_parts(folder)]
    if len(likely) > 1 or (train and len(called) > 1) or (likely and likely[0].name.lower() in PART_NAMES):
        first = (train or likely)[0]
        raise DataError(
            f"{first}: looks like a part of a split, not a class: by its name, and it holds folders but no image. Name "
            "the parts train, val and test and move other folders away; a class must have its images directly in its "
            f"folder. To train on this folder alone: {_command(unwrapped(first))}"
        )


def _refuse_repeated(folders: list[Path]) -> None:
    """Refuse a folder that has parts or repeats the classes, as when an archive was unpacked into itself."""
    names = {class_name(folder) for folder in folders}
    for folder in folders:
        inside = subfolders(folder)
        below, parts = {class_name(sub) for sub in inside}, {part for sub in inside for part in _likely_parts(sub)}
        if "train" in parts and len(parts) > 1 and all(map(_holds_classes, inside)):
            raise DataError(
                f"{folder}: has parts of its own ({', '.join(sorted(below))}), so it is not a class. Move the folders "
                f"next to it away, or train on it alone: {_command(folder)}"
            )
        if len(below & names) > 1 and not loose_pictures(folder):
            raise DataError(
                f"{folder}: repeats the classes next to it ({', '.join(sorted(below & names)[:3])}). "
                f"Move it away, or train on it alone: {_command(folder)}"
            )


def _refuse_without_images(folders: list[Path]) -> None:
    """Refuse a folder of classes next to folders of other files, such as annotations: they would become the classes."""
    holding = list(filter(_holds_classes, folders))
    others = {folder: _files(folder) for folder in folders if folder not in holding} if len(holding) == 1 else {}
    if others and all(files and not any(map(_is_picture, files)) for files in others.values()):
        first = next(iter(others))
        raise DataError(
            f"{first}: has no images, and {holding[0].name} next to it holds folders, so these are no classes. "
            f"Move {first.name} away, or train on the other alone: {_command(unwrapped(holding[0]))}"
        )


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not ignored(path, folder)]


def _command(folder: Path) -> str:
    return shlex.join(["edgeclf", "train", str(folder)])


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in _PASSED_OVER
