"""A picture, or a folder of them, as a source."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

from edgeclf_runtime.errors import ImageError, SourceError
from edgeclf_runtime.frame import Frame
from edgeclf_runtime.images import find_images, read_image

__all__ = ["PictureSource"]

_log = logging.getLogger(__name__)


class PictureSource:
    """Pictures in the order of their names; one that cannot be read is logged as a warning and left out.

    Args:
        path: a picture, or a folder, searched with its sub-folders.

    Raises:
        SourceError: the folder has no picture; while iterating, none could be read.
    """

    live = False

    def __init__(self, path: Path) -> None:
        self.description = str(path)
        self._files = find_images(path) if path.is_dir() else [path]
        if not self._files:
            raise SourceError(f"{path}: no pictures in this folder.")

    def __iter__(self) -> Iterator[Frame]:
        failures = 0
        for number, file in enumerate(self._files):
            try:
                pixels = read_image(file)
            except ImageError as error:
                failures += 1
                if failures == len(self._files):
                    more = f" Nor any of the {failures} in {self.description}." if failures > 1 else ""
                    raise SourceError(f"{error}{more}") from None
                _log.warning("Skipped: %s", error)
                continue
            yield Frame(pixels, time.monotonic(), number, str(file))

    def close(self) -> None:
        """Nothing is held open."""
        self._files = []

    def __enter__(self) -> PictureSource:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
