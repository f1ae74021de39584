"""Change the files packed behind a network, and leave the network as it is."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgeclf_runtime.errors import ModelError
from edgeclf_runtime.model.archive import Archive
from edgeclf_runtime.model.card import ModelCard
from edgeclf_runtime.model.familiarity import Familiarity
from edgeclf_runtime.model.golden import GoldenVector, golden_files
from edgeclf_runtime.system.atomic_file import written_beside
from edgeclf_runtime.trust.sealing import unsigned

__all__ = ["network_of", "packed_files", "replace_files", "with_files"]

_LIMIT = 64 << 20  # maximum size of a packed file in bytes
_DATE = (1980, 1, 1, 0, 0, 0)  # fixed, so that the same content gives the same bytes


def network_of(content: bytes) -> bytes:
    """Return the flatbuffer of a model file, without any zip and signature after it."""
    content = unsigned(content)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return content[: min((info.header_offset for info in archive.infolist()), default=len(content))]
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        return content


def packed_files(
    card: ModelCard, golden: Sequence[GoldenVector], tolerance: float, familiarity: Familiarity | None = None
) -> dict[str, bytes]:
    """Return the files to pack behind a network, by name in the archive, for ``with_files``.

    Args:
        card: the model card; its labels must be single lines.
        golden: images of at most ``golden.GOLDEN_SIDE`` pixels a side, with their scores.
        tolerance: the largest accepted difference of a score.
        familiarity: tells familiar images from others.
    """
    return {
        "labels.txt": ("\n".join(card.labels) + "\n").encode(),
        "edgeclf.json": card.to_json().encode(),
        **golden_files(golden, tolerance),
        **(familiarity.to_files() if familiarity else {}),
    }


def replace_files(path: Path, changed: Mapping[str, bytes]) -> None:
    """Replace or add packed files of a model file, atomically; see ``with_files``."""
    content = with_files(path.read_bytes(), changed)
    with written_beside(path) as hidden:
        hidden.write_bytes(content)


def with_files(content: bytes, changed: Mapping[str, bytes]) -> bytes:
    """Return a model file with some packed files replaced or added, and without its signature.

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
