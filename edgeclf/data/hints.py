"""Error messages for a path without photographs in the expected layout, with what was probably meant."""

from __future__ import annotations

from pathlib import Path

from edgeclf.data.dataset import PART_NAMES
from edgeclf_runtime.model.not_a_file import is_run_folder, near_names
from edgeclf_runtime.pictures.images import IMAGE_SUFFIXES

__all__ = ["about_file", "about_flat_part", "about_missing", "about_one_class", "about_run"]

_TABLE = ".csv"


def about_missing(path: Path) -> str:
    """Return the message for a source that does not exist."""
    kind = "file" if path.suffix.lower() == _TABLE else "folder"
    try:
        siblings = [item for item in sorted(path.parent.iterdir()) if not item.name.startswith(".")]
    except OSError:
        siblings = []
    names = [item.name for item in siblings if item.is_dir() or item.suffix.lower() == _TABLE]
    return f"{path}: no such {kind}.{near_names(path, names)}"


def about_one_class(folder: Path) -> str:
    """Return the message for a folder that holds images itself, as a class's folder does."""
    above = folder.parent if folder.name not in ("", "..") else folder.resolve().parent
    if above.name.lower() in PART_NAMES and _folders(above.parent) > 1:
        above = above.parent
    text = f"{folder}: holds images itself; expected one sub-folder of images per class."
    if _folders(above) > 1:
        return f"{text} If it is the folder of one class, pass the folder above it: {above}"
    return f"{text} Put the images of each class into a sub-folder named after the class."


def about_flat_part(folder: Path) -> str:
    """Return the message for a part, such as the training part, that holds images itself."""
    return (
        f"{folder}: holds images itself; expected one sub-folder of images per class in it. Put the images of each "
        "class into a sub-folder named after the class, or list them in a CSV: file,label."
    )


def about_run(folder: Path) -> str:
    """Return the message for a run folder that was given as photographs; empty for any other folder."""
    if not is_run_folder(folder):
        return ""
    return (
        f"{folder}: this is a run folder, not a folder of photographs. "
        f"Resume the run with: edgeclf train --resume {folder}"
    )


def about_file(path: Path) -> str:
    """Return the message for a file that is not a list of photographs."""
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
