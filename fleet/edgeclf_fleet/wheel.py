"""Write a wheel of an installed pure Python distribution, so that a device gets the version used here."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import zipfile
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from edgeclf_fleet.errors import FleetError

__all__ = ["write_wheel"]

_WHEEL = "Wheel-Version: 1.0\nGenerator: edgeclf-fleet\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_METADATA = ("METADATA", "entry_points.txt", "top_level.txt")
_EPOCH = (1980, 1, 1, 0, 0, 0)


def write_wheel(name: str, folder: Path) -> Path:
    """Write the wheel of an installed distribution, which may be an editable install.

    The same sources give the same bytes.

    Args:
        name: name of the distribution, such as "edgeclf-runtime"; its package has the same name with underscores.
        folder: existing folder for the wheel.

    Returns:
        The path of the wheel.

    Raises:
        FleetError: it is not installed.
    """
    try:
        installed = distribution(name)
    except PackageNotFoundError:
        raise FleetError(f"{name} is not installed here; give a folder with its wheel: --wheels FOLDER") from None
    package = name.replace("-", "_")
    stem = f"{package}-{installed.version}"
    files = {**_sources(package), **_metadata(installed, f"{stem}.dist-info")}
    record = "".join(f"{path},sha256={_digest(content)},{len(content)}\n" for path, content in files.items())
    files[f"{stem}.dist-info/RECORD"] = f"{record}{stem}.dist-info/RECORD,,\n".encode()
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for file, content in files.items():
            entry = zipfile.ZipInfo(file, _EPOCH)
            entry.external_attr, entry.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
            wheel.writestr(entry, content)
    return path


def _sources(package: str) -> dict[str, bytes]:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise FleetError(f"{package} cannot be found here; give a folder with its wheel: --wheels FOLDER")
    folder = Path(spec.origin).parent
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {f"{package}/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in paths}


def _metadata(installed: Distribution, folder: str) -> dict[str, bytes]:
    texts = {name: installed.read_text(name) for name in _METADATA}
    files = {f"{folder}/{name}": text.encode() for name, text in texts.items() if text}
    return {**files, f"{folder}/WHEEL": _WHEEL.encode()}


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
