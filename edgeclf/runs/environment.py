"""The command, machine and package versions of a training."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
import shlex
import sys
from pathlib import Path

from edgeclf_runtime.system.cores import usable_cores

__all__ = ["environment", "file_digest", "file_origin"]

_PACKAGES = ("edgeclf", "tensorflow", "tf_keras", "numpy", "opencv-python-headless", "scikit-learn")


def file_origin(weights: Path) -> dict[str, str]:
    """Return what identifies a pretrained weights file: its name and SHA-256."""
    return {"weights": weights.name, "weights_sha256": file_digest(weights).hex()}


def file_digest(path: Path) -> bytes:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.digest()


def environment(weights: Path | None = None) -> dict[str, object]:
    """Return the content of a training's ``environment.json``, with the origin of any weights file given."""

    def version(name: str) -> str:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            return "not installed"

    program = Path(sys.argv[0])
    is_ours = program.name == "__main__.py" and program.parent.name == "edgeclf_runtime"  # python -m edgeclf_runtime
    return {
        "command": shlex.join(["edgeclf" if is_ours else program.name, *sys.argv[1:]]),
        "python": platform.python_version(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "cores": usable_cores(),
        "packages": {name: version(name) for name in _PACKAGES},
        **({"weights": file_origin(weights)} if weights is not None and weights.is_file() else {}),
    }
