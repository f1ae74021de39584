"""Remember over a restart which images of a watched folder were classified."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from edgeclf_runtime.system.atomic_file import sync_open, written_beside
from edgeclf_runtime.system.state_folder import service_folder

__all__ = ["Mark", "Memory", "mark_of", "memory_path"]

_log = logging.getLogger(__name__)

Mark = bytes
"""Digest of an image's name, size and modification time."""

_SIZE = 16  # bytes of a digest
_MORE = 50_000  # maximum number of marks of images that no longer exist; half of them remain after a clean-up
_SYNCED = 5.0  # seconds between two syncs; images marked since the last are classified again after a power cut


def memory_path(model: Path, folder: Path, recipients: Sequence[str]) -> Path:
    """Return the path of the memory: a hidden file next to the model, or in the service's state folder.

    The name depends on the recipients, because new recipients have not received any answer yet.

    Args:
        model: path of the model file.
        folder: the watched folder.
        recipients: where the answers go.
    """
    words = [os.path.abspath(folder), *recipients]
    own = service_folder()
    if own is not None:
        words.insert(0, os.path.abspath(model))
    import hashlib

    digest = hashlib.sha256(b"\0".join(map(os.fsencode, words))).hexdigest()[:16]
    return model.absolute().parent / f".{model.name}.{digest}.seen" if own is None else own / f"{digest}.seen"


def mark_of(name: str, version: tuple[int, int]) -> Mark:
    """Return the mark for an image's name within the folder and its version (modification time in ns, size)."""
    import hashlib

    return hashlib.blake2b(b"%d %d " % version + os.fsencode(name), digest_size=_SIZE).digest()


class Memory:
    """Marks of the images that were read and, in a file, of those that were classified.

    Args:
        path: path of the file, one mark per line; created if missing. None keeps nothing over a restart.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path, self._lock, self._synced = path, threading.Lock(), -_SYNCED
        self._is_classified: dict[Mark, bool] = {}  # whether it was classified, the oldest first
        self._file: int | None = None
        if path is not None:
            self._guarded(self._read)

    def __contains__(self, mark: Mark) -> bool:
        return mark in self._is_classified

    def begin(self, mark: Mark) -> None:
        """Note that an image was read."""
        with self._lock:
            self._is_classified[mark] = self.path is None

    def finish(self, mark: Mark) -> None:
        """Note that an image was classified."""
        with self._lock:
            self._is_classified[mark] = True
            self._guarded(lambda: self._append(mark))

    def clear(self, there: Collection[Mark]) -> None:
        """Forget the oldest marks of images that no longer exist, if there are many."""
        with self._lock:
            gone = [mark for mark, is_done in self._is_classified.items() if is_done and mark not in there]
            if not there or len(gone) <= _MORE:  # an empty folder may be a disk that is not mounted
                return
            for mark in gone[: -_MORE // 2]:
                del self._is_classified[mark]
            self._guarded(self._rewrite)

    def _read(self) -> None:
        assert self.path is not None
        content = self.path.read_bytes() if self.path.exists() else b""
        for line in content.split(b"\n"):  # ignore half a line, which a power cut may leave
            try:
                mark = bytes.fromhex(line.decode("ascii"))
            except ValueError:
                continue
            if len(mark) == _SIZE:
                self._is_classified[mark] = True
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        if content and not content.endswith(b"\n"):
            os.write(self._file, b"\n")

    def _append(self, mark: Mark) -> None:
        if self._file is not None:
            os.write(self._file, mark.hex().encode() + b"\n")
            if time.monotonic() - self._synced >= _SYNCED:
                sync_open(self._file)
                self._synced = time.monotonic()

    def _rewrite(self) -> None:
        if self._file is None or self.path is None:
            return
        with written_beside(self.path) as hidden:
            hidden.write_bytes(
                b"".join(mark.hex().encode() + b"\n" for mark, done in self._is_classified.items() if done)
            )
        os.close(self._file)
        self._file = None
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    def _guarded(self, work: Callable[[], None]) -> None:
        """Run ``work``; if the disk fails, log it and continue without the file."""
        try:
            work()
        except OSError as error:
            text = "%s: %s. After a restart the watched folder's images are classified again."
            _log.warning(text, self.path, error.strerror)
            self._let_go()

    def _let_go(self) -> None:
        if self._file is not None:
            os.close(self._file)
        self._file = None

    def close(self) -> None:
        """Write what is left and close; safe to call twice."""
        with self._lock:
            if self._file is not None:
                self._guarded(lambda: sync_open(self._file or 0))
            self._let_go()
