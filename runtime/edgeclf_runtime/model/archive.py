"""Read the zip appended to a model file, without trusting the sizes it states."""

from __future__ import annotations

import io
import re
import zipfile
import zlib

from edgeclf_runtime.errors import ModelError

__all__ = ["Archive"]

# A local file header: its signature and a version needed of 1.0, 2.0 or 4.5.
_HEADER = re.compile(rb"PK\x03\x04[\x0a\x14\x2d]\x00")
_DAMAGED = "The archive at its end is cut short or damaged; copy the file again."


class Archive:
    """The files of the zip by name; empty if the model file has no zip.

    Args:
        content: the whole model file.

    Raises:
        ModelError: the archive is truncated; the message does not name the file.
    """

    def __init__(self, content: bytes) -> None:
        self._zip: zipfile.ZipFile | None = None
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(content))
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError):
            if _HEADER.search(content):
                raise ModelError(_DAMAGED) from None

    @property
    def start(self) -> int | None:
        """Offset of the zip in the model file; None if it contains no files."""
        return min((info.header_offset for info in self._zip.infolist()), default=None) if self._zip else None

    @property
    def names(self) -> list[str]:
        """Names of the files in it."""
        return self._zip.namelist() if self._zip else []

    def read(self, name: str, limit: int) -> bytes | None:
        """Return a file's bytes, or None if there is no such file.

        Args:
            name: name in the archive.
            limit: the largest size accepted, in bytes.

        Raises:
            ModelError: the file is too large, damaged, encrypted or compressed with an unsupported method.
        """
        if self._zip is None or name not in self._zip.namelist():
            return None
        info = self._zip.getinfo(name)
        if info.file_size > limit:
            raise ModelError(f"{name} in it is larger than {limit >> 10} KB.")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others unpack without a size limit
            raise ModelError(f"{name} in it is compressed in a way that is not read; write it with deflate.")
        try:
            with self._zip.open(name) as file:
                return file.read(limit + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError):
            raise ModelError(f"{name} in it cannot be read; copy the file again.") from None
