"""Remember the latest snapshots, so that near-duplicates of them are not stored."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.errors import ImageError
from edgeclf_runtime.pictures.likeness import DIFFERENCE, FITTED, alike, thumbnail
from edgeclf_runtime.pictures.preprocess import Pixels

__all__ = ["Recent", "any_alike"]

_KEPT = 48  # snapshots, whose thumbnails take 1.5 KB each


class Recent:
    """The thumbnails of the latest snapshots of all folders.

    They are compared as in ``likeness``, but without the correlation of patterns: images of a dark room have none, and
    with a fixed camera a new object shows as a local difference, while noise does not.
    """

    def __init__(self) -> None:
        self._folders: deque[str] = deque(maxlen=_KEPT)
        self._thumbs: deque[tuple[Pixels, npt.NDArray[np.uint8]]] = deque(maxlen=_KEPT)

    def read(self, newest: Iterable[tuple[str, Path]]) -> None:
        """Restore the memory after a restart; files that cannot be read are left out.

        Args:
            newest: folder and file of each snapshot, the newest first.
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
        """Remember a snapshot that was stored in a folder.

        Args:
            folder: name of the folder.
            shown: its ``likeness.thumbnail``.
        """
        self._folders.append(folder)
        self._thumbs.append(shown)

    def has_alike(self, folder: str, shown: tuple[Pixels, npt.NDArray[np.uint8]]) -> bool:
        """Return whether the folder has a near-duplicate."""
        return any_alike([thumbs for name, thumbs in zip(self._folders, self._thumbs) if name == folder], shown)


def any_alike(
    stored: Sequence[tuple[Pixels, npt.NDArray[np.uint8]]], shown: tuple[Pixels, npt.NDArray[np.uint8]]
) -> bool:
    """Return whether one of these images is a near-duplicate; all are given by their ``likeness.thumbnail``."""
    if not stored:
        return False
    thumbs = np.stack([thumb for thumb, _ in stored])
    details = np.stack([detail for _, detail in stored])
    new_thumbs, new_details = np.broadcast_to(shown[0], thumbs.shape), np.broadcast_to(shown[1], details.shape)
    return bool(alike((thumbs, new_thumbs), (details, new_details), noise=DIFFERENCE).any())
