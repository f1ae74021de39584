"""What was probably meant by a path that holds no photographs as they are expected."""

from __future__ import annotations

from pathlib import Path

from edgeclf.data.dataset import PART_NAMES
from edgeclf_runtime.model.not_a_file import is_run_folder, near_names
from edgeclf_runtime.pictures.images import IMAGE_SUFFIXES

__all__ = ["about_file", "about_missing", "about_one_class", "about_run"]

_TABLE = ".csv"


def about_missing(path: Path) -> str:
    """Of a source that is not there."""
    kind = "file" if path.suffix.lower() == _TABLE else "folder"
    try:
        siblings = [item for item in sorted(path.parent.iterdir()) if not item.name.startswith(".")]
    except OSError:
        siblings = []
    names = [item.name for item in siblings if item.is_dir() or item.suffix.lower() == _TABLE]
    return f"{path}: no such {kind}.{near_names(path, names)}"


def about_one_class(folder: Path) -> str:
    """Of a folder that holds images itself, as that of a class does."""
    above = folder.parent if folder.name not in ("", "..") else folder.resolve().parent
    if above.name.lower() in PART_NAMES and _folders(above.parent) > 1:
        above = above.parent
    text = f"{folder}: holds images itself; expected one sub-folder of images per class."
    if _folders(above) > 1:
        return f"{text} If it is the folder of one class, give the folder above it: {above}"
    return f"{text} Put the images of each class into a sub-folder called like the class."


def about_run(folder: Path) -> str:
    """Of the folder of a training that was given for photographs; else empty."""
    if not is_run_folder(folder):
        return ""
    return f"{folder}: the folder of a training, expected photographs. Resume it with: edgeclf train --resume {folder}"


def about_file(path: Path) -> str:
    """Of a file that is no list of photographs."""
    text = f"{path}: expected a folder of images, a .csv that lists them, or a folder of shards."
    if path.suffix.lower() == ".tflite":
        return f"{text} This is a model file: edgeclf evaluate {path} DATA"
    if path.suffix.lower() in IMAGE_SUFFIXES:
        above = path.resolve().parent.parent if len(path.parts) < 3 else path.parent.parent
        return f"{text} This is an image; the folder above its class is {above}."
    return text


def _folders(path: Path) -> int:
    try:
        return sum(item.is_dir() and not item.name.startswith(".") for item in path.iterdir())
    except OSError:
        return 0
