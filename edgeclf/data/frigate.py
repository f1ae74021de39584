"""Images sorted in Frigate for its custom classification (version 0.17 or newer).

Frigate keeps them as ``clips/NAME/dataset/CLASS/*.png``, and recent, unsorted images next to them in
``clips/NAME/train``.
"""

from __future__ import annotations

from pathlib import Path

from edgeclf.data.layout import subfolders
from edgeclf.errors import DataError

__all__ = ["frigate_dataset"]

_DATASET = "dataset"


def frigate_dataset(clips: Path) -> Path:
    """Return the folder with one sub-folder per class.

    Args:
        clips: Frigate's ``clips`` if only one model has sorted images, the model's folder in it, or its ``dataset``.

    Raises:
        DataError: there are no sorted images, or several models have some.
    """
    if not clips.is_dir():
        raise DataError(f"{clips}: no such folder. Frigate keeps its images in /media/frigate/clips.")
    for folder in (clips, clips / _DATASET):
        if folder.name == _DATASET and folder.is_dir():
            return folder
    found = [folder / _DATASET for folder in subfolders(clips) if (folder / _DATASET).is_dir()]
    if not found:
        raise DataError(
            f"{clips}: has no images sorted in Frigate, expected {clips / 'NAME' / _DATASET / 'CLASS'}/*.png. "
            "Frigate keeps them in /media/frigate/clips."
        )
    if len(found) > 1:
        choices = ", ".join(str(folder.parent) for folder in found)
        raise DataError(f"{clips}: has the images of {len(found)} models; pass the folder of one: {choices}.")
    return found[0]
