"""The command, machine and package versions of a training."""

from __future__ import annotations

import importlib.metadata
import platform
import shlex
import sys
from pathlib import Path

from edgeclf_runtime.system.cores import usable_cores

__all__ = ["environment"]

_PACKAGES = ("edgeclf", "tensorflow", "tf_keras", "numpy", "opencv-python-headless", "scikit-learn")


def environment() -> dict[str, object]:
    """Return the content of ``environment.json``."""

    def version(name: str) -> str:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            return "not installed"

    return {
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "python": platform.python_version(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "cores": usable_cores(),
        "packages": {name: version(name) for name in _PACKAGES},
    }
