"""Remember images discarded on the page, so that similar ones are not stored again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.errors import ImageError
from edgeclf_runtime.pictures.likeness import FITTED, thumbnail
from edgeclf_runtime.pictures.preprocess import Pixels
from edgeclf_runtime.sinks.snapshots.name import DISCARDED, UNSORTED, files_of, read_name
from edgeclf_runtime.sinks.snapshots.recent import any_alike

__all__ = ["Discarded"]

_KEPT = 500  # maximum number of images, whose thumbnails take 1.5 KB each

_Shown = tuple[Pixels, npt.NDArray[np.uint8]]


class Discarded:
    """The thumbnails of discarded snapshots, including deleted ones; not of restored ones.

    Args:
        folder: folder of the snapshot sink, which may not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._thumbs: dict[str, _Shown] = {}
        self._unread: set[str] = set()

    def has_alike(self, shown: _Shown) -> bool:
        """Return whether a near-duplicate was discarded; checks the folder for newly discarded images.

        Args:
            shown: the image's ``likeness.thumbnail``.
        """
        names = {name for name in files_of(self._folder / DISCARDED) if read_name(name) is not None}
        for name in self._thumbs.keys() - names:
            if (self._folder / UNSORTED / name).exists():  # it was restored
                del self._thumbs[name]
        for name in sorted(names - self._thumbs.keys() - self._unread):
            self._read(name)
        for name in list(self._thumbs)[: max(0, len(self._thumbs) - _KEPT)]:
            if name not in names:
                del self._thumbs[name]
        return any_alike(list(self._thumbs.values()), shown)

    def _read(self, name: str) -> None:
        from edgeclf_runtime.pictures.images import decode_image, read_content

        try:
            content = read_content(self._folder / DISCARDED / name)
            self._thumbs[name] = thumbnail(decode_image(content, name, min_size=FITTED.height))
        except ImageError:
            self._unread.add(name)
