"""A picture, or a folder of them, as a source."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

from edgeclf_runtime.conversion import foreign_reason
from edgeclf_runtime.errors import ImageError, SourceError
from edgeclf_runtime.frame import Frame
from edgeclf_runtime.images import decode_image, find_images, read_content
from edgeclf_runtime.plaintext import printable

__all__ = ["PictureSource"]

_log = logging.getLogger(__name__)


_Version = tuple[int, int]  # when it was changed, in ns, and its size
_LOOK = 0.5  # seconds between two looks into a watched folder


class PictureSource:
    """Pictures in the order of their names; one that cannot be read is logged as a warning and left out.

    Args:
        path: a picture, or a folder, searched with its sub-folders.
        watch: go on with the pictures that come into the folder, each when it is complete: of the same size twice.
        least: see ``SourceOptions``.

    Attributes:
        at_rest: its pictures were there before, so that the pauses between two say nothing.
        is_camera: they come from one into the watched folder.

    Raises:
        SourceError: the folder has no picture; while iterating, none could be read.
    """

    live = False

    def __init__(self, path: Path, watch: bool = False, least: int = 0) -> None:
        self.description, self.at_rest = printable(path), not watch
        self.is_camera = watch
        if watch and not path.is_dir():
            raise SourceError(f"{self.description}: to be watched, but no folder.")
        self._folder, self._watch, self._closing, self._least = path, watch, threading.Event(), least
        self._failures, self._counting, self._gone = 0, threading.Lock(), False
        self._files = find_images(path) if path.is_dir() else [path]
        if not self._files and not watch:
            raise SourceError(f"{self.description}: no pictures in this folder{_first_foreign(path)}.")

    def __iter__(self) -> Iterator[Frame]:
        return (frame for decode in self.undecoded() if (frame := decode()) is not None)

    def undecoded(self) -> Iterator[Callable[[], Frame | None]]:
        """See ``Undecoded``."""
        if self._watch:
            return (functools.partial(_same, frame) for frame in self._watched())
        return (functools.partial(self._listed, file, number) for number, file in enumerate(self._files))

    def _watched(self) -> Iterator[Frame]:
        number = 0
        given, before = dict[Path, _Version](), dict[Path, _Version]()
        while not self._closing.is_set():
            if (found := self._found()) is None:  # what was given is not to be given again when it is back
                self._closing.wait(_LOOK)
                continue
            now = {file: _version(file) for file in found}
            given = {file: version for file, version in given.items() if file in now}
            for file, version in now.items():
                if version == given.get(file) or version != before.get(file) or not version[1]:
                    continue  # given already, or perhaps still being written
                given[file] = version
                try:
                    frame = self._frame(file, number)
                except ImageError as error:  # read again when it changes
                    _log.warning("Skipped: %s", error)
                    continue
                yield frame
                number += 1
            before = now
            self._closing.wait(_LOOK)

    def _found(self) -> list[Path] | None:
        """Its pictures; None where it cannot be looked at, which is said once."""
        try:
            found = find_images(self._folder)
        except (OSError, ImageError) as error:  # a folder that went while it was looked at
            if not self._gone:
                _log.warning("%s: %s", self._folder, error)
            self._gone = True
            return None
        self._gone = False
        return found

    def _listed(self, file: Path, number: int) -> Frame | None:
        count = len(self._files)
        if self._closing.is_set():
            return None
        try:
            return self._frame(file, number)
        except ImageError as error:
            with self._counting:
                self._failures += 1
                failures = self._failures
            if failures == count:
                more = f" Nor any of the {failures} in {self.description}." if failures > 1 else ""
                raise SourceError(f"{error}{more}") from None
            _log.warning("Skipped: %s", error)
            return None

    def _frame(self, file: Path, number: int) -> Frame:
        data = read_content(file)
        pixels, name = decode_image(data, str(file), least=self._least), printable(file)
        return Frame(pixels, time.monotonic(), number, name, data if data.startswith(b"\xff\xd8") else None)

    def close(self) -> None:
        """Nothing is held open."""
        self._closing.set()
        self._files = []

    def __enter__(self) -> PictureSource:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _first_foreign(folder: Path) -> str:
    found = ((file, foreign_reason(str(file))) for file in sorted(folder.rglob("*")))
    return next((f" that are read. {printable(file)}: {reason}" for file, reason in found if reason), "")


def _same(frame: Frame) -> Frame:
    return frame


def _version(file: Path) -> _Version:
    """When it was changed, and its size; (0, 0) where it is gone."""
    try:
        status = file.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size
