"""Change what is packed behind a network, and leave the network as it is."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

from edgeclf_runtime.errors import ModelError
from edgeclf_runtime.model.archive import Archive

__all__ = ["network_of", "with_files"]

_LIMIT = 64 << 20  # bytes of a packed file
_DATE = (1980, 1, 1, 0, 0, 0)  # fixed, so that the same content gives the same bytes


def network_of(content: bytes) -> bytes:
    """Return the flatbuffer of a model file without the zip that may follow it."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return content[: min((info.header_offset for info in archive.infolist()), default=len(content))]
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        return content


def with_files(content: bytes, changed: Mapping[str, bytes]) -> bytes:
    """Return a model file with some of its packed files replaced or added.

    Args:
        content: a model file of edgeclf.
        changed: new contents by name in the archive.

    Raises:
        ModelError: a packed file is damaged or too large.
    """
    archive = Archive(content)
    files = {name: archive.read(name, _LIMIT) for name in archive.names if name not in changed}
    file = io.BytesIO()
    file.write(network_of(content))
    with zipfile.ZipFile(file, "a", zipfile.ZIP_STORED) as packed:
        for name, data in {**files, **changed}.items():
            if data is None:
                raise ModelError(f"{name} in it cannot be read; copy the file again.")
            packed.writestr(zipfile.ZipInfo(name, _DATE), data)
    return file.getvalue()
