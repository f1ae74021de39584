"""Where a service may write: the state folder that systemd creates."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["STATE", "kept_beside", "service_folder"]

STATE = "edgeclf-models"
"""Folder for models below the service's StateDirectory: a service may not write next to its model."""


def service_folder() -> Path | None:
    """Return the service's state folder; None outside a service, or in a unit from an older version."""
    folders = map(Path, os.environ.get("STATE_DIRECTORY", "").split(":"))
    return next((folder for folder in folders if STATE in folder.parts), None)


def kept_beside(model: Path) -> tuple[Path, str]:
    """Return the folder of the files kept for a model file, and the prefix of their names.

    This is the service's state folder, or the model's own folder, where the names begin with a dot.

    Args:
        model: absolute path; each path has its own names.
    """
    own = service_folder()
    if own is None:
        return model.parent, f".{model.name}.good"
    import hashlib

    return own, hashlib.sha256(os.fsencode(model)).hexdigest()[:16]
