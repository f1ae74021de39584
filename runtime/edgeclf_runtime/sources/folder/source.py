"""An image file, or a folder of images, as a source."""

from __future__ import annotations

import functools
import logging
import os
import shlex
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Callable

from edgeclf_runtime.errors import ImageError, SourceError
from edgeclf_runtime.frame import Frame
from edgeclf_runtime.pictures.foreign import foreign_reason
from edgeclf_runtime.pictures.images import decode_image, find_images, read_content
from edgeclf_runtime.sources.folder.memory import Mark, Memory, mark_of
from edgeclf_runtime.sources.folder.watching import FolderWatch, Version, version_of
from edgeclf_runtime.sources.request import Request
from edgeclf_runtime.system.plain_text import printable

__all__ = ["PictureSource", "open_request"]

_log = logging.getLogger(__name__)


_LOOK = 0.5  # seconds between two checks of a watched folder


def open_request(request: Request) -> PictureSource:
    """Open an image or a folder."""
    options = request.options
    return PictureSource(request.path, options.watch, options.min_decoded_size, request.memory)


class PictureSource:
    """Images in order of their names; an image that cannot be read is logged as a warning and skipped.

    Args:
        path: an image, or a folder, searched with its subfolders.
        watch: continue with images that arrive in the folder, each once it is complete (same size in two checks).
        min_size: ``min_decoded_size`` of ``SourceOptions``.
        memory: for a watched folder: a file that records for which images ``finish`` was called, so that they are
            skipped after a restart.

    Attributes:
        at_rest: whether the images existed before, so that the time between two frames has no meaning.
        is_camera: whether the images come from a camera into the watched folder.

    Raises:
        SourceError: the folder has no image; while iterating: no image could be read.
    """

    live = False

    def __init__(self, path: Path, watch: bool = False, min_size: int = 0, memory: Path | None = None) -> None:
        self.description, self.at_rest = printable(path), not watch
        self.is_camera = watch
        if watch and not path.is_dir():
            raise SourceError(f"{self.description}: not a folder, which watch needs.")
        self._folder, self._watch, self._closing, self._min_size = path, watch, threading.Event(), min_size
        self._rule = (0, 0)  # see ``decode_for``
        self._failures, self._counting = 0, threading.Lock()
        self._memory, self._is_told = Memory(memory), False
        self._under_way: dict[int, Mark] = {}
        self._files = [] if watch else find_images(path) if path.is_dir() else [path]
        if not self._files and not watch:
            raise SourceError(f"{self.description}: no images in this folder{_first_foreign(path)}.")

    def __iter__(self) -> Iterator[Frame]:
        return (frame for decode in self.undecoded() if (frame := decode()) is not None)

    def undecoded(self) -> Iterator[Callable[[], Frame | None]]:
        """See ``Undecoded``."""
        if self._watch:
            return (functools.partial(_same, frame) for frame in self._watched())
        return (functools.partial(self._listed, file, number) for number, file in enumerate(self._files))

    def _watched(self) -> Iterator[Frame]:
        number = 0
        waiting: dict[str, Version] = {}  # may still be being written
        with closing(FolderWatch(self._folder)) as watch:
            while not self._closing.is_set():
                for path, version in self._complete(watch, waiting):
                    mark = self._mark(path, version)
                    self._memory.begin(mark)
                    try:
                        frame = self._frame(Path(path), number)
                    except ImageError as error:  # tried again when the file changes
                        _log.warning("Skipped: %s", error)
                        self._memory.finish(mark)
                        continue
                    if self._memory.path is not None:
                        self._under_way[number] = mark
                    yield frame
                    number += 1
                self._closing.wait(_LOOK)

    def _complete(self, watch: FolderWatch, waiting: dict[str, Version]) -> list[tuple[str, Version]]:
        """Return the new images that have not changed since the last check, in order."""
        changed, is_all = watch.look()
        if is_all:
            self._remember({self._mark(path, version) for path, version in changed.items()})
        now = {**{path: version_of(path) for path in waiting if path not in changed}, **changed}
        ready = []
        for path, version in now.items():
            before = waiting.pop(path, None)
            if version is None or self._mark(path, version) in self._memory:
                continue
            if version != before:
                waiting[path] = version
            elif version[1]:  # an empty file is noticed again when it changes
                ready.append((path, version))
        return sorted(ready, key=lambda item: item[0].split(os.sep))

    def _remember(self, there: set[Mark]) -> None:
        """Tell the memory which images are there, and log how many of them are skipped."""
        classified = sum(mark in self._memory for mark in there)
        if classified and not self._is_told and self._memory.path is not None:
            text = "%s: skipped images that were classified before (%d); to classify them again: rm %s"
            _log.warning(text, self.description, classified, shlex.quote(printable(self._memory.path)))
        self._is_told = True
        self._memory.clear(there)

    def _mark(self, path: str, version: Version) -> Mark:
        return mark_of(os.path.relpath(path, self._folder), version)

    def finish(self, frame: Frame) -> None:
        """Note that a frame was classified or skipped."""
        mark = self._under_way.pop(frame.number, None)
        if mark is not None:
            self._memory.finish(mark)

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
        data, rule = read_content(file), self._rule
        pixels = decode_image(data, str(file), min_size=rule if any(rule) else self._min_size)
        jpeg = data if data.startswith(b"\xff\xd8") else None
        return Frame(pixels, time.monotonic(), number, printable(file), jpeg, min_size=rule)

    def decode_for(self, min_size: tuple[int, int]) -> None:
        """See ``Source``."""
        self._rule = min_size

    def close(self) -> None:
        """Stop watching; no file is held open."""
        self._closing.set()
        self._files = []

    def __enter__(self) -> PictureSource:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
        self._memory.close()


def _first_foreign(folder: Path) -> str:
    reasons = ((file, foreign_reason(str(file))) for file in sorted(folder.rglob("*")))
    return next((f" that are read. {printable(file)}: {reason}" for file, reason in reasons if reason), "")


def _same(frame: Frame) -> Frame:
    return frame
