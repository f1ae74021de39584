"""What is copied to a device: a model file and an archive of wheels, each named by its digest."""

from __future__ import annotations

import hashlib
import io
import os
import re
import tarfile
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgeclf_fleet.errors import FleetError
from edgeclf_fleet.wheel import write_wheel

__all__ = ["Bundle", "make_bundle"]

_RUNTIME = "edgeclf-runtime"
_RUNTIME_WHEEL = re.compile(r"edgeclf_runtime-([^-]+)-py3-none-any\.whl")


@dataclass(frozen=True)
class Bundle:
    """The files of a deployment, on this machine.

    Attributes:
        model: path of a copy of the model file, named by its digest.
        model_name: name of the model, for display.
        model_digest: SHA-256 of the model file.
        model_bytes: size of the model file.
        model_time: when it was written, in seconds since 1970; a device's clock must not be earlier.
        archive: path of a tar archive of the wheels.
        archive_digest: SHA-256 of the archive.
        archive_bytes: size of the archive.
        wheels: names of the wheels in it.
        version: version of the runtime.
        offline: whether the archive also has everything that the runtime depends on.
    """

    model: str
    model_name: str
    model_digest: str
    model_bytes: int
    model_time: float
    archive: str
    archive_digest: str
    archive_bytes: int
    wheels: tuple[str, ...]
    version: str
    offline: bool

    def as_dict(self) -> dict[str, Any]:
        """Return the attributes by name, for Ansible."""
        return {**asdict(self), "wheels": list(self.wheels)}


def make_bundle(
    model: Path, folder: Path, wheels: Path | None = None, offline: Path | None = None, key: Path | None = None
) -> Bundle:
    """Make the bundle of a deployment.

    Args:
        model: the model file, which is read and checked.
        folder: existing folder for these files.
        wheels: folder with the runtime's wheel, and any others to prefer; None to make the wheel from the installed
            runtime.
        offline: folder with all wheels that the device needs; None to use the device's package index.
        key: public key that must have signed the model; None for any.

    Raises:
        ModelError: the model file cannot be used.
        FleetError: a folder has no wheel of the runtime, or several.
    """
    from edgeclf_runtime.model.file import read_model
    from edgeclf_runtime.trust.keys import TrustedKeys

    card = read_model(model).card
    content = model.read_bytes()
    if key is not None:
        TrustedKeys(key).check(model, content)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        files = _wheels(wheels, offline, Path(temporary))
        version = _version(files)
        archive = _archive(files)
    model_copy, archive_path = _kept(folder, content, ".tflite"), _kept(folder, archive, ".tar")
    return Bundle(
        str(model_copy),
        card.name,
        model_copy.stem,
        len(content),
        model.stat().st_mtime,
        str(archive_path),
        archive_path.stem,
        len(archive),
        tuple(file.name for file in files),
        version,
        offline is not None,
    )


def _kept(folder: Path, content: bytes, suffix: str) -> Path:
    """Write a file named by its SHA-256, unless it exists: hosts are prepared in parallel."""
    path = folder / f"{hashlib.sha256(content).hexdigest()}{suffix}"
    if not path.exists():
        hidden = folder / f".{path.name}.{os.getpid()}"
        hidden.write_bytes(content)
        hidden.replace(path)
    return path


def _wheels(wheels: Path | None, offline: Path | None, temporary: Path) -> list[Path]:
    """Return the wheels by name; those in ``wheels`` take precedence over those in ``offline``."""
    chosen: dict[str, Path] = {}
    for folder in filter(None, (offline, wheels)):
        if not folder.is_dir():
            raise FleetError(f"{folder}: not a folder; expected one with wheels (.whl).")
        chosen.update({path.name: path for path in folder.glob("*.whl")})
    if not any(map(_RUNTIME_WHEEL.fullmatch, chosen)):
        if wheels is not None:
            raise FleetError(f"{wheels}: has no wheel of the runtime (edgeclf_runtime-...-py3-none-any.whl).")
        made = write_wheel(_RUNTIME, temporary)
        chosen[made.name] = made
    return [chosen[name] for name in sorted(chosen)]


def _version(files: list[Path]) -> str:
    versions = [match[1] for file in files if (match := _RUNTIME_WHEEL.fullmatch(file.name))]
    if len(versions) > 1:
        raise FleetError(f"Several versions of the runtime ({', '.join(versions)}): keep only one of the wheels.")
    return versions[0]


def _archive(files: list[Path]) -> bytes:
    """Return a tar archive that depends only on names and contents."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for file in files:
            entry, content = tarfile.TarInfo(file.name), file.read_bytes()
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
