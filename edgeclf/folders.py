"""Folders of photographs: a sub-folder for each class, or parts that have them."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from edgeclf.dataset import PART_NAMES, Dataset, Listed, Skipped, check_labels, in_order, natural
from edgeclf.errors import DataError
from edgeclf_runtime.images import IMAGE_SUFFIXES
from edgeclf_runtime.plaintext import plain, printable
from edgeclf_runtime.sinks.snapshots import UNSORTED

__all__ = ["class_files", "find_parts", "scan"]

_IGNORED = {"thumbs.db", "desktop.ini"}
_PASSED_OVER = {"__MACOSX", "__pycache__", UNSORTED}
_PART_LIKE = re.compile(
    r"(^|[ _.-])(train|training|val|valid|validation|test|testing|dev|eval|holdout)([ _.-]|$)", re.IGNORECASE
)


def find_parts(root: Path) -> dict[str, Path]:
    """The folder's own ``train``, ``val`` and ``test`` sub-folders, or nothing where it has classes.

    Raises:
        DataError: the folder is missing, two sub-folders mean the same part, one beside several parts is none, or one
            looks like a part and is called otherwise.
    """
    found: dict[str, Path] = {}
    folders = _folders(root)
    names = {PART_NAMES.get(folder.name.lower()) for folder in folders}
    if None in names and "train" in names and len(names) > 2:
        other = next(folder.name for folder in folders if folder.name.lower() not in PART_NAMES)
        raise DataError(
            f"{root}: {other} lies beside its parts and is none. Call it train, val or test, or move it away."
        )
    if not folders or None in names or not names & {"train", "test"}:
        _refuse_parts(folders)
        return {}
    for folder in folders:
        part = PART_NAMES[folder.name.lower()]
        if part in found:
            raise DataError(f"{root}: both {found[part].name} and {folder.name} mean the {part} part. Keep one.")
        found[part] = folder
    return found


def _refuse_parts(folders: list[Path]) -> None:
    """Parts under other names, ``training_set`` and ``test_set``, say, would else become the classes."""
    called = [folder for folder in folders if _PART_LIKE.search(folder.name)]
    likely = [folder for folder in called if len(_folders(folder)) > 1 and not _loose(folder)]
    if len(likely) > 1 or (likely and likely[0].name.lower() in PART_NAMES):
        raise DataError(
            f"{likely[0]}: looks like a part, not a class: its name, and it holds folders, no picture. Call the parts "
            "train, val and test, and move away what is none; a class has its pictures in its own folder."
        )


def scan(root: Path) -> tuple[Dataset, list[Skipped]]:
    """List a folder with one sub-folder per class, or with parts that have them. Nothing is opened.

    Returns:
        the files with a picture's suffix, and the others, pictures that lie in no class's folder among them.

    Raises:
        DataError: no such folder, no class, one class, or parts with different classes.
    """
    parts = find_parts(root) or {"": root}
    if "" not in parts and "train" not in parts:
        raise DataError(f"{root}: has {', '.join(sorted(p.name for p in parts.values()))} but no train folder.")
    labels = tuple(_name(folder) for folder in _folders(parts.get("train", root)))
    check_labels(root, labels, "expected one sub-folder of pictures per class")
    listed: list[Listed] = []
    skipped: list[Skipped] = []
    for path in sorted({path for folder in (root, *parts.values()) for path in _loose(folder)}):
        skipped.append(Skipped(plain(printable(path.relative_to(root))), "lies in no class's folder"))
    for part, folder in sorted(parts.items()):
        for target, path in _labelled(folder, labels):
            file = path.relative_to(root).as_posix()
            if (shown := printable(file)) != file:
                skipped.append(Skipped(shown, "its name is not UTF-8 text; rename it"))
            elif plain(file) != file:
                skipped.append(Skipped(plain(file), "its name has a control character; rename it"))
            elif not path.is_file():
                skipped.append(Skipped(file, "a link that leads to no file; linked folders are not followed"))
            elif path.suffix.lower() in IMAGE_SUFFIXES:
                listed.append(Listed(part, target, file))
            else:
                skipped.append(Skipped(file, f"no kind of picture edgeclf reads ({path.suffix or 'no suffix'})"))
    return in_order(root, labels, listed), skipped


def class_files(root: Path) -> dict[str, list[Path]]:
    """The files with a picture's suffix in each sub-folder, by its name.

    Raises:
        DataError: no such folder.
    """
    found: dict[str, list[Path]] = {}
    for folder in _folders(root):
        files = (path for path in _entries(folder) if path.is_file())
        found.setdefault(_name(folder), []).extend(path for path in files if path.suffix.lower() in IMAGE_SUFFIXES)
    return found


def _name(folder: Path) -> str:
    """In the composed form of Unicode, whatever form the disk it comes from has."""
    return unicodedata.normalize("NFC", folder.name)


def _folders(root: Path) -> list[Path]:
    if not root.exists():
        raise DataError(f"{root}: no such folder.")
    if not root.is_dir():
        raise DataError(f"{root}: is a file; expected a folder with one sub-folder of pictures per class.")
    return sorted(
        (p for p in root.iterdir() if p.is_dir() and not _is_hidden(p.name)), key=lambda path: natural(_name(path))
    )


def _labelled(folder: Path, labels: tuple[str, ...]) -> list[tuple[int, Path]]:
    found = []
    for sub in _folders(folder):
        if _name(sub) not in labels:
            raise DataError(f"{sub}: a class the train part does not have. Its classes: {', '.join(labels)}.")
        target = labels.index(_name(sub))
        found += [(target, path) for path in _entries(sub)]
    return found


def _loose(folder: Path) -> list[Path]:
    """The pictures beside the classes' folders."""
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and not _ignored(path, folder)]
    return [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]


def _entries(folder: Path) -> list[Path]:
    """The files in it and below, and links, also those that lead to none."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() or path.is_symlink())
    return [path for path in found if not _ignored(path, folder)]


def _ignored(path: Path, below: Path) -> bool:
    return any(map(_is_hidden, path.relative_to(below).parts)) or path.name.lower() in _IGNORED


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in _PASSED_OVER
