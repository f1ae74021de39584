"""Keep decoded images, and what was computed from them, in a folder for the next training or trial.

An entry is a file named by a hash of all that determines it: the image's bytes, the rule for decoding and resizing,
and the version of these rules. It begins with that name and a checksum. Entries are written to a temporary file and
renamed, so that several processes can share a folder; a damaged entry is computed again.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from edgeclf.errors import DataError

__all__ = ["DecodedCache", "cache_for_now", "cache_in_use", "using_cache"]

_VERSION = b"1"  # raise it when decoding, resizing or fingerprints change
_LIMIT = 20 << 30  # bytes
_MAGIC, _NAME = b"edgeclf cache\n", 16  # bytes
_ENTRY = re.compile(r"[0-9a-f]{32}\.kept")

_current: ContextVar[DecodedCache | None] = ContextVar("decoded_cache", default=None)


class DecodedCache:
    """Entries in a folder; safe to use from several threads.

    Args:
        folder: created if it is missing; other files in it are left alone.
        say: called with one line if an entry is damaged, or if no more can be written; once each.
        limit: maximum size of all entries in bytes. Beyond it, the oldest that this process has not used are removed.

    Raises:
        DataError: the folder cannot be created or written to.
    """

    def __init__(self, folder: Path, say: Callable[[str], None], limit: int = _LIMIT) -> None:
        self._folder, self._say, self._limit, self._started = folder, say, limit, time.time()
        self._lock, self._is_full, self._said_damaged = threading.Lock(), False, False
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise DataError(
                f"{folder}: decoded images cannot be kept there ({error.strerror}). Choose another folder."
            ) from None
        self._bytes = sum(size for _, size, _ in self._entries())

    @staticmethod
    def name(*parts: object) -> bytes:
        """Return a name for these bytes, numbers, strings and tuples of them: a hash."""
        digest = hashlib.blake2b(_VERSION, digest_size=_NAME)
        for part in parts:
            content = part if isinstance(part, bytes) else repr(part).encode()
            digest.update(len(content).to_bytes(8, "big") + content)
        return digest.digest()

    def get(self, name: bytes, size: int | None = None) -> bytes | None:
        """Return an entry of this many bytes; None if it is missing or damaged."""
        path = self._path(name)
        try:
            content = path.read_bytes()
            os.utime(path)  # marks it as used, so that it is not removed next
        except OSError:
            return None
        head = len(_MAGIC) + _NAME + 4
        kept = content[head:]
        if content[:head] == _head(name, kept) and size in (None, len(kept)):
            return kept
        self._warn_of_damage(path)
        return None

    def put(self, name: bytes, content: bytes) -> None:
        """Store an entry, unless the disk or the folder is full."""
        path, size = self._path(name), len(_MAGIC) + _NAME + 4 + len(content)
        if not self._has_room(size):
            return
        try:
            path.parent.mkdir(exist_ok=True)
            handle, hidden = tempfile.mkstemp(dir=path.parent, suffix=".part")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(_head(name, content) + content)
                os.replace(hidden, path)
            except BaseException:
                with suppress(OSError):
                    os.unlink(hidden)
                raise
        except OSError as error:
            self._stop_writing(f"cannot be written to ({error.strerror})")

    def _path(self, name: bytes) -> Path:
        text = name.hex()
        return self._folder / text[:2] / f"{text}.kept"

    def _warn_of_damage(self, path: Path) -> None:
        with self._lock:
            said, self._said_damaged = self._said_damaged, True
        if not said:
            self._say(f"{path}: is damaged, or not of edgeclf; its image is decoded again, as are others like it.")

    def _stop_writing(self, reason: str) -> None:
        with self._lock:
            said, self._is_full = self._is_full, True
        if not said:
            self._say(f"{self._folder}: {reason}; further images are not kept.")

    def _has_room(self, size: int) -> bool:
        with self._lock:
            if self._is_full:
                return False
            if self._bytes + size > self._limit:
                self._bytes = self._removed_down_to(self._limit * 9 // 10)
            self._bytes += size
            fits = self._bytes <= self._limit
        if not fits:
            self._stop_writing(f"holds {self._limit / 1e9:.0f} GB, which is its limit")
        return fits

    def _removed_down_to(self, limit: int) -> int:
        """Remove the least recently used entries, except this process's; return the number of bytes left."""
        entries = sorted(self._entries())
        left = sum(size for _, size, _ in entries)
        for used, size, path in entries:
            if left <= limit or used >= self._started:
                break
            with suppress(OSError):
                path.unlink()
                left -= size
        return left

    def _entries(self) -> Iterator[tuple[float, int, Path]]:
        """Yield time, size and path of each entry, including those of other processes."""
        for folder in self._folder.iterdir():
            if len(folder.name) != 2 or not folder.is_dir():
                continue
            for entry in os.scandir(folder):
                with suppress(OSError):  # another process has removed it
                    if _ENTRY.fullmatch(entry.name):
                        yield entry.stat().st_mtime, entry.stat().st_size, Path(entry.path)


def _head(name: bytes, content: bytes) -> bytes:
    return _MAGIC + name + zlib.crc32(content).to_bytes(4, "big")


def cache_in_use() -> DecodedCache | None:
    """Return the cache of the current ``using_cache`` block; None outside of one."""
    return _current.get()


@contextmanager
def using_cache(folder: Path | None, say: Callable[[str], None]) -> Iterator[None]:
    """Keep decoded images in a folder within a ``with`` block; None continues with the current cache, if any.

    Raises:
        DataError: the folder cannot be used.
    """
    if folder is None:
        yield
        return
    token = _current.set(DecodedCache(folder, say))
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def cache_for_now(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Keep decoded images within a ``with`` block: in the current cache, or in a folder that is removed at its end."""
    if cache_in_use() is not None:
        yield
        return
    try:
        with using_cache(folder, say):
            yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
