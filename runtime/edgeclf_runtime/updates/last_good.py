"""Keep a copy of the last good model, with which a device starts if its model file is damaged."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

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
    """The copy of a model file: a hidden file next to it, or in the service's state folder.

    The name contains the SHA-256 of the content, so that a single rename replaces it and damage is detected.

    Args:
        model: path of the model file; each path has its own copy.
    """

    def __init__(self, model: Path) -> None:
        self._model = model.absolute()
        self._folder, self._stem = kept_beside(self._model)
        self._name = re.compile(rf"{re.escape(self._stem)}-([0-9a-f]{{64}})\.tflite")

    def find(self) -> Path | None:
        """Return the newest undamaged copy; None if there is none."""
        copies = [(path, digest) for path, digest in self._copies() if _digest(path) == digest]
        return max((path for path, _ in copies), key=lambda path: path.stat().st_mtime_ns, default=None)

    def is_copied(self) -> bool:
        """Whether the model file has the same content as the copy."""
        digest = _digest(self._model)
        return any(digest == kept and _digest(path) == kept for path, kept in self._copies())

    def keep(self, judged: Version | None, labels: Sequence[str]) -> None:
        """Copy the model file and remove older copies; log a warning if that fails.

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
        copies = self._copies()
        path = self._folder / f"{self._stem}-{digest}.tflite"
        text = "".join(f"{label}\n" for label in labels).encode()
        import hashlib

        if hashlib.sha256(text).hexdigest() != _digest(path.with_suffix(".txt")):
            with written_beside(path.with_suffix(".txt")) as hidden:  # first, so that a model always has its labels
                hidden.write_bytes(text)
        if _digest(path) != digest:
            with written_beside(path) as hidden:
                hidden.write_bytes(content)
        for old, _ in copies:
            if old != path:
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
