"""Keep copies of the last good models, with which a device starts if its model file is damaged or refused."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Callable

from edgeclf_runtime.system.atomic_file import written_beside
from edgeclf_runtime.system.state_folder import kept_beside

__all__ = ["LastGood", "Version", "version"]

_log = logging.getLogger(__name__)

Version = tuple[int, int, int, int]
"""Identity of a file's content, which changes when the file is replaced or written."""


def version(path: Path) -> Version | None:
    """Return the version of a file; None if it is gone."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class LastGood:
    """The copies of a model file and of the one before: hidden files next to it, or in the service's state folder.

    The names contain the SHA-256 of the content, so that a single rename replaces a copy and damage is detected.

    Args:
        model: path of the model file; each path has its own copies.
        refuses: whether the file of a SHA-256 must not be used any more, see ``Probation``.
    """

    def __init__(self, model: Path, refuses: Callable[[str], bool] = lambda digest: False) -> None:
        self._model, self._refuses = model.absolute(), refuses
        self._folder, self._stem = kept_beside(self._model)
        self._name = re.compile(rf"{re.escape(self._stem)}-([0-9a-f]{{64}})\.tflite")

    def find(self) -> Path | None:
        """Return the newest undamaged copy that is not refused; None if there is none."""
        return next((path for path, digest in self._undamaged() if not self._refuses(digest)), None)

    def has_another(self, digest: str) -> bool:
        """Whether there is an undamaged copy that is not refused, of another content than this SHA-256."""
        return any(known != digest and not self._refuses(known) for _, known in self._undamaged())

    def all(self) -> list[Path]:
        """Return the undamaged copies, the newest first, also refused ones."""
        return [path for path, _ in self._undamaged()]

    def _undamaged(self) -> list[tuple[Path, str]]:
        copies = [(path, digest) for path, digest in self._copies() if _digest(path) == digest]
        return sorted(copies, key=lambda copy: copy[0].stat().st_mtime_ns, reverse=True)

    def is_copied(self) -> bool:
        """Whether the model file has the same content as the copy."""
        digest = _digest(self._model)
        return any(digest == kept and _digest(path) == kept for path, kept in self._copies())

    def keep(self, judged: Version | None, labels: Sequence[str]) -> None:
        """Copy the model file and remove older copies but one; log a warning if that fails.

        Args:
            judged: the version that passed its check; nothing is copied if the file was replaced since.
            labels: labels of the model, for a file that contains none.
        """
        try:
            content = self._model.read_bytes()
            if judged is not None and version(self._model) == judged:
                import hashlib

                self._write(content, hashlib.sha256(content).hexdigest(), labels)
        except OSError as error:
            text = f"{error.filename or self._folder}: {error.strerror}"
            _log.warning("%s: a copy to start with if the file is damaged cannot be kept (%s).", self._model, text)

    def _write(self, content: bytes, digest: str, labels: Sequence[str]) -> None:
        path = self._folder / f"{self._stem}-{digest}.tflite"
        text = "".join(f"{label}\n" for label in labels).encode()
        import hashlib

        if hashlib.sha256(text).hexdigest() != _digest(path.with_suffix(".txt")):
            with written_beside(path.with_suffix(".txt")) as hidden:  # first, so that a model always has its labels
                hidden.write_bytes(text)
        undamaged = self._undamaged()
        if (path, digest) not in undamaged:
            with written_beside(path) as hidden:
                hidden.write_bytes(content)
        elif undamaged[0] != (path, digest):
            os.utime(path)  # the model before is in use again: it is the newest now
        before = next((other for other, known in undamaged if other != path and not self._refuses(known)), None)
        for old, _ in self._copies():
            if old not in (path, before):
                for file in (old, old.with_suffix(".txt")):
                    file.unlink(missing_ok=True)

    def _copies(self) -> list[tuple[Path, str]]:
        """Return the copies with the digests in their names."""
        with suppress(OSError):
            matches = [(name, self._name.fullmatch(name)) for name in os.listdir(self._folder)]
            return [(self._folder / name, match[1]) for name, match in matches if match]
        return []


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file; empty if it cannot be read."""
    import hashlib

    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            for part in iter(lambda: file.read(1 << 20), b""):
                digest.update(part)
    except OSError:
        return ""
    return digest.hexdigest()
