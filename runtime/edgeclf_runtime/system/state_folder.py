"""Where a service may write: the folder that systemd made for its state."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["STATE", "service_folder"]

STATE = "edgeclf-models"
"""Where a service keeps them, below its StateDirectory: it may not write beside its model."""


def service_folder() -> Path | None:
    """A service's own folder; None of what is no service, or an older one."""
    folders = map(Path, os.environ.get("STATE_DIRECTORY", "").split(":"))
    return next((folder for folder in folders if STATE in folder.parts), None)
