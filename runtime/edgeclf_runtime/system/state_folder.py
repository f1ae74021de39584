"""Where a service may write: the state folder that systemd creates."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["STATE", "service_folder"]

STATE = "edgeclf-models"
"""Folder for models below the service's StateDirectory: a service may not write next to its model."""


def service_folder() -> Path | None:
    """Return the service's state folder; None outside a service, or in a unit from an older version."""
    folders = map(Path, os.environ.get("STATE_DIRECTORY", "").split(":"))
    return next((folder for folder in folders if STATE in folder.parts), None)
