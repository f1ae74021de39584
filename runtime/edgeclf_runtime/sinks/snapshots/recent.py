"""The snapshots that were kept last, to keep none that looks like one of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.errors import ImageError
from edgeclf_runtime.pictures.likeness import DIFFERENCE, FITTED, alike, thumbnail
from edgeclf_runtime.pictures.preprocess import Pixels

__all__ = ["Recent"]

_KEPT = 48  # of which the thumbnails take 1.5 KB each


class Recent:
    """What the last ones of all folders looked like.

    The measure is ``likeness``'s without the correlation of patterns: images of a dark room have none, and what is new
    before a camera that stands still shows in a part of the image, where noise does not.
    """

    def __init__(self) -> None:
        self._folders: deque[str] = deque(maxlen=_KEPT)
        self._thumbs: deque[tuple[Pixels, npt.NDArray[np.uint8]]] = deque(maxlen=_KEPT)

    def read(self, newest: Iterable[tuple[str, Path]]) -> None:
        """Remember these, as before a restart; those that cannot be read are left out.

        Args:
            newest: the folder that each went into, and its file, the newest first.
        """
        from edgeclf_runtime.pictures.images import decode_image, read_content

        decoded = []
        for folder, path in islice(newest, _KEPT):
            try:
                decoded.append((folder, decode_image(read_content(path), path.name, min_size=FITTED.height)))
            except ImageError:
                continue
        for folder, pixels in reversed(decoded):
            self.add(folder, thumbnail(pixels))

    def add(self, folder: str, shown: tuple[Pixels, npt.NDArray[np.uint8]]) -> None:
        """One more, that went into this folder.

        Args:
            shown: its ``likeness.thumbnail``.
        """
        self._folders.append(folder)
        self._thumbs.append(shown)

    def has_alike(self, folder: str, shown: tuple[Pixels, npt.NDArray[np.uint8]]) -> bool:
        """Whether one of this folder looks like it."""
        own = [thumbs for name, thumbs in zip(self._folders, self._thumbs) if name == folder]
        if not own:
            return False
        thumbs = np.stack([thumb for thumb, _ in own])
        details = np.stack([detail for _, detail in own])
        new_thumbs, new_details = np.broadcast_to(shown[0], thumbs.shape), np.broadcast_to(shown[1], details.shape)
        return bool(alike((thumbs, new_thumbs), (details, new_details), noise=DIFFERENCE).any())
