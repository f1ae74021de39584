"""A folder of photographs with a sub-folder per class, as for ``edgeclf train``."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.errors import SourceError
from edgeclf_runtime.model.class_name import is_part
from edgeclf_runtime.pictures.images import find_images
from edgeclf_runtime.prediction import NOTHING, UNKNOWN
from edgeclf_runtime.system.plain_text import counted, is_label, plain, printable
from edgeclf_runtime.system.unreadable import refuse_unreadable

__all__ = ["Photographs", "list_photographs"]


@dataclass(frozen=True, eq=False)
class Photographs:
    """Image files with their classes.

    Attributes:
        root: the folder.
        labels: the classes, sorted; ``NOTHING`` for images of none of the others.
        files: paths of the images, by class.
        targets: class of each image, int64 ``[images]``.
        loose: number of images next to the class folders, which are ignored.
    """

    root: Path
    labels: tuple[str, ...]
    files: tuple[Path, ...]
    targets: npt.NDArray[np.int64]
    loose: int = 0

    def with_labels(self, labels: Sequence[str]) -> Photographs:
        """Return a copy with more labels, in another order."""
        places = np.array([labels.index(label) for label in self.labels])
        return replace(self, labels=tuple(labels), targets=places[self.targets])


def list_photographs(root: Path, fewest: int = 2, *, without_empty: bool = False) -> Photographs:
    """List the images of each class by their suffixes, without opening any.

    Args:
        root: a folder with a sub-folder for each class.
        fewest: minimum number of classes.
        without_empty: leave out classes without images; none may be left.

    Raises:
        OSError: a folder of a class cannot be listed.
        SourceError: no such folder, too few classes, a class without images, or a name that cannot be a label.
    """
    if not root.is_dir():
        raise SourceError(f"{root}: {'is a file' if root.exists() else 'no such folder'}; {_EXPECTED}.")
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith((".", "__")))
    by_label: dict[str, Path] = {}
    for folder in folders:
        label = unicodedata.normalize("NFC", folder.name)
        _check_label(root, label, by_label)
        by_label[label] = folder
        refuse_unreadable(folder)
    loose = sum(path.parent == root for path in find_images(root))
    if not by_label and not without_empty:
        found = f"{counted(loose, 'image')} but no sub-folder" if loose else "no sub-folder"
        raise SourceError(f"{root}: {found}; {_EXPECTED}. To take some with a camera: edgeclf capture {root}")
    files = {label: find_images(folder) for label, folder in sorted(by_label.items())}
    if without_empty:
        files = {label: found_files for label, found_files in files.items() if found_files}
    for label, found_files in files.items():
        if not found_files:
            raise SourceError(f"{by_label[label]}: contains no images; add some, or remove the folder.")
    if len(files) < fewest:
        (only,) = files
        nothing = "" if only == NOTHING else f", or of images of nothing ({NOTHING}/)"
        raise SourceError(
            f"{root}: has only one class ({only}); add a folder of another{nothing}, or add the class to those of BASE "
            "with --keep."
        )
    paths = tuple(path for found_files in files.values() for path in found_files)
    counts = [len(found_files) for found_files in files.values()]
    return Photographs(root, tuple(files), paths, np.repeat(np.arange(len(counts)), np.array(counts, np.intp)), loose)


_EXPECTED = "expected a folder with one sub-folder of images per class"


def _check_label(root: Path, label: str, others: dict[str, Path]) -> None:
    shown = plain(printable(label))
    if label in others:
        raise SourceError(f"{root}: class {shown!r} appears twice, in two Unicode spellings. Merge the folders.")
    if label.casefold() == UNKNOWN:
        raise SourceError(f"{root}: class {shown!r} has the name of the answer for uncertain images. Rename it.")
    if is_part(label):
        raise SourceError(f"{root}: {shown}/ is a part of a data set, not a class. Give {root / label} instead.")
    if not is_label(label):
        raise SourceError(f"{root}: class {shown!r} cannot be a label. Rename the folder.")
