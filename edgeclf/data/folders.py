"""Folders of photographs: a sub-folder for each class, or parts that have them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from edgeclf.data.dataset import Dataset, Listed, Skipped, check_labels, in_order
from edgeclf.data.hints import about_one_class, about_run
from edgeclf.data.layout import class_name, ignored, loose_pictures, read_layout, subfolders
from edgeclf.errors import DataError
from edgeclf_runtime.pictures.foreign import foreign_reason
from edgeclf_runtime.pictures.images import IMAGE_SUFFIXES
from edgeclf_runtime.system.plain_text import plain, printable

__all__ = ["class_files", "find_parts", "refuse_one_class", "scan"]

_SHOWN = 5


def find_parts(root: Path) -> dict[str, Path]:
    """The folder's ``train``, ``val`` and ``test`` parts, or nothing where it has classes.

    Raises:
        DataError: see ``read_layout``.
    """
    return {part: folder for part, folder in read_layout(root).parts.items() if part}


def scan(root: Path, min_classes: int = 2) -> tuple[Dataset, list[Skipped]]:
    """List a folder with one sub-folder per class, or with parts that have them. Nothing is opened.

    Args:
        root: the folder.
        min_classes: classes that it must have.

    Returns:
        the files with a picture's suffix, and the others, pictures that lie in no class's folder among them.

    Raises:
        DataError: no such folder, no class, one class, or parts with different classes.
    """
    layout = read_layout(root)
    parts = layout.parts
    if "" not in parts and "train" not in parts:
        raise DataError(f"{root}: has {', '.join(sorted(p.name for p in parts.values()))} but no train folder.")
    base = parts.get("", root)
    if min_classes < 2 and base != root and base.name.lower() != base.parent.name.lower():
        raise DataError(
            f"{root}: {base.name} may be its only class or a folder around its classes, as it holds folders. In the "
            f"latter case give {base} itself; in the former put its pictures into it."
        )
    labels = tuple(class_name(folder) for folder in subfolders(parts.get("train", parts.get("", root))))
    if not labels:
        refuse_one_class(root)
    check_labels(root, labels, "expected one sub-folder of pictures per class", min_classes)
    listed: list[Listed] = []
    skipped: list[Skipped] = []
    for path in sorted({path for folder in (root, *parts.values()) for path in loose_pictures(folder)}):
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
                skipped.append(Skipped(file, foreign_reason(str(path)) or _other_kind(path)))
    note = layout.note or (_about_nested(root, labels, listed) if "" in parts else "")
    return replace(in_order(root, labels, listed), note=note), skipped


def refuse_one_class(root: Path) -> None:
    """Say what was probably meant by a folder without classes.

    Raises:
        DataError: it holds images itself, or a training.
    """
    if text := about_run(root):
        raise DataError(text)
    if loose_pictures(root):
        raise DataError(about_one_class(root))


def _about_nested(root: Path, labels: Sequence[str], listed: Sequence[Listed]) -> str:
    """Where every image lies in folders of the classes' folders, these may be the classes that were meant."""
    inner = {tuple(PurePosixPath(item.file).parent.parts) for item in listed}
    if not inner or any(len(parts) < 2 for parts in inner) or len({parts[:2] for parts in inner}) <= len(labels):
        return ""
    names = ", ".join(labels[:_SHOWN]) + (", ..." if len(labels) > _SHOWN else "")
    first = min("/".join(parts[:2]) for parts in inner)
    return (
        f"{root}: its classes are {names}; the folders in them, such as {first}/, are not. "
        "If these are the classes, move them into one folder."
    )


def class_files(root: Path) -> dict[str, list[Path]]:
    """The files with a picture's suffix in each sub-folder, by its name.

    Raises:
        DataError: no such folder.
    """
    files_by_class: dict[str, list[Path]] = {}
    for folder in subfolders(root):
        files = (path for path in _entries(folder) if path.is_file())
        files_by_class.setdefault(class_name(folder), []).extend(
            path for path in files if path.suffix.lower() in IMAGE_SUFFIXES
        )
    return files_by_class


def _other_kind(path: Path) -> str:
    return f"no kind of picture edgeclf reads ({path.suffix or 'no suffix'})"


def _labelled(folder: Path, labels: tuple[str, ...]) -> list[tuple[int, Path]]:
    labelled = []
    for sub in subfolders(folder):
        if class_name(sub) not in labels:
            raise DataError(f"{sub}: a class the train part does not have. Its classes: {', '.join(labels)}.")
        target = labels.index(class_name(sub))
        labelled += [(target, path) for path in _entries(sub)]
    return labelled


def _entries(folder: Path) -> list[Path]:
    """The files in it and below, and links, also those that lead to none."""
    entries = (path for path in sorted(folder.rglob("*")) if path.is_file() or path.is_symlink())
    return [path for path in entries if not ignored(path, folder)]
