"""Read folders of photographs: one sub-folder per class, or parts with one sub-folder per class each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from edgeclf.data.dataset import Dataset, Listed, Skipped, check_labels, in_order
from edgeclf.data.hints import about_flat_part, about_one_class, about_run
from edgeclf.data.layout import class_name, ignored, loose_pictures, read_layout, subfolders
from edgeclf.errors import DataError
from edgeclf_runtime.pictures.foreign import foreign_reason
from edgeclf_runtime.pictures.images import IMAGE_SUFFIXES
from edgeclf_runtime.system.plain_text import plain, printable
from edgeclf_runtime.system.unreadable import refuse_unreadable

__all__ = ["class_files", "find_parts", "refuse_one_class", "scan"]

_SHOWN = 5


def find_parts(root: Path) -> dict[str, Path]:
    """Return the folders of a source's parts by name; empty if its sub-folders are classes.

    Raises:
        DataError: see ``read_layout``.
    """
    return {part: folder for part, folder in read_layout(root).parts.items() if part}


def scan(root: Path, min_classes: int = 2) -> tuple[Dataset, list[Skipped]]:
    """List a folder with one sub-folder per class, or with parts that have them. Opens no image.

    Args:
        root: the folder.
        min_classes: minimum number of classes.

    Returns:
        the images, recognized by their suffix, and the skipped files, among them images outside the classes' folders.

    Raises:
        DataError: the folder is missing, has too few classes, or has parts with different classes.
    """
    layout = read_layout(root)
    parts = layout.parts
    if "" not in parts and "train" not in parts:
        raise DataError(f"{root}: has {', '.join(sorted(p.name for p in parts.values()))} but no train folder.")
    base = parts.get("", root)
    if min_classes < 2 and base != root and base.name.lower() != base.parent.name.lower():
        raise DataError(
            f"{root}: its only folder, {base.name}, holds folders: it may be a class or the folder of all classes. "
            f"If it holds the classes, pass {base}; if it is a class, move its images directly into it."
        )
    labels = tuple(class_name(folder) for folder in subfolders(parts.get("train", parts.get("", root))))
    if not labels:
        if "train" in parts and loose_pictures(parts["train"]):
            raise DataError(about_flat_part(parts["train"]))
        refuse_one_class(root)
    check_labels(root, labels, "expected one sub-folder of images per class", min_classes)
    listed: list[Listed] = []
    skipped: list[Skipped] = []
    for path in sorted({path for folder in (root, *parts.values()) for path in loose_pictures(folder)}):
        skipped.append(Skipped(plain(printable(path.relative_to(root))), "is in no class's folder"))
    for part, folder in sorted(parts.items()):
        for target, path in _labelled(folder, labels):
            file = path.relative_to(root).as_posix()
            if (shown := printable(file)) != file:
                skipped.append(Skipped(shown, "its name is not UTF-8 text; rename it"))
            elif plain(file) != file:
                skipped.append(Skipped(plain(file), "its name has a control character; rename it"))
            elif not path.is_file():
                skipped.append(Skipped(file, "a link to no file; links to folders are not followed"))
            elif path.suffix.lower() in IMAGE_SUFFIXES:
                listed.append(Listed(part, target, file))
            else:
                skipped.append(Skipped(file, foreign_reason(str(path)) or _other_kind(path)))
    note = layout.note or (_about_nested(root, labels, listed) if "" in parts else "")
    return replace(in_order(root, labels, listed), note=note), skipped


def refuse_one_class(root: Path) -> None:
    """Raise an error that says what a folder without classes probably is.

    Raises:
        DataError: the folder holds images itself, or it is a run folder.
    """
    if text := about_run(root):
        raise DataError(text)
    if loose_pictures(root):
        raise DataError(about_one_class(root))


def _about_nested(root: Path, labels: Sequence[str], listed: Sequence[Listed]) -> str:
    """Return a note if all images are one level below the class folders: those sub-folders may be the classes."""
    inner = {tuple(PurePosixPath(item.file).parent.parts) for item in listed}
    if not inner or any(len(parts) < 2 for parts in inner) or len({parts[:2] for parts in inner}) <= len(labels):
        return ""
    names = ", ".join(labels[:_SHOWN]) + (", ..." if len(labels) > _SHOWN else "")
    first = min("/".join(parts[:2]) for parts in inner)
    return (
        f"{root}: the classes are {names}; folders inside them, such as {first}/, are not classes. "
        "If those are your classes, move them into one folder."
    )


def class_files(root: Path) -> dict[str, list[Path]]:
    """Return the image files of each sub-folder by its name.

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
    return f"not an image format edgeclf reads ({path.suffix or 'no suffix'})"


def _labelled(folder: Path, labels: tuple[str, ...]) -> list[tuple[int, Path]]:
    labelled = []
    for sub in subfolders(folder):
        if class_name(sub) not in labels:
            raise DataError(f"{sub}: this class is not in the train part. Its classes: {', '.join(labels)}.")
        target = labels.index(class_name(sub))
        labelled += [(target, path) for path in _entries(sub)]
    return labelled


def _entries(folder: Path) -> list[Path]:
    """Return all files and links in the folder and below, including broken links.

    Raises:
        OSError: the folder, or one in it, cannot be listed.
    """
    refuse_unreadable(folder)
    entries = (path for path in sorted(folder.rglob("*")) if path.is_file() or path.is_symlink())
    return [path for path in entries if not ignored(path, folder)]
