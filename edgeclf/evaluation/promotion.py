"""Put a new model file in the place of an old one, and keep the old one for the way back."""

from __future__ import annotations

import shutil
from pathlib import Path

from edgeclf.errors import DataError
from edgeclf_runtime.model.archive import Archive
from edgeclf_runtime.model.file import read_model
from edgeclf_runtime.system.atomic_file import written_beside

__all__ = ["check_promotable", "kept_as", "put_in_place_of"]


def kept_as(old: Path) -> Path:
    """Return where the old file is kept: ``model.tflite.before`` for ``model.tflite``."""
    return old.with_name(f"{old.name}.before")


def check_promotable(new: Path, old: Path) -> bool:
    """Return whether the new file differs from the old one.

    Raises:
        DataError: the old one is no file, or the new one has no labels in it: it would get those that lie next to the
            old one.
    """
    if not old.is_file():
        what = "is a folder, expected the model file that the devices use" if old.is_dir() else "there is no such file"
        raise DataError(f"{old}: {what}. To put the new model there without a comparison, copy {new}.")
    content = read_model(new).content
    if not any(name.lower().endswith(".txt") for name in Archive(content).names):
        raise DataError(f"{new}: has no labels in it. Promote a file that edgeclf export wrote.")
    return content != old.read_bytes()


def put_in_place_of(new: Path, old: Path) -> Path:
    """Replace the old file by a copy of the new one; at any moment there is a complete file in its place.

    Returns:
        where the old file is kept; one that was kept there before is overwritten.

    Raises:
        OSError: the disk is full or read-only; the old file is still in its place.
    """
    kept = kept_as(old)
    for source, target in ((old, kept), (new, old)):
        with written_beside(target) as hidden:
            shutil.copyfile(source, hidden)
            shutil.copymode(old, hidden)  # the device's user must be able to read it
    return kept
