"""A device with a release installed without a deployment: with this environment, and no service."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

from edgeclf_fleet.roles.edgeclf.module_utils.edgeclf_layout import Layout
from tests.fleet_device.device import Device

__all__ = ["NO_SERVICE", "place"]

NO_SERVICE = {"edgeclf_service_manager": "none"}
"""Variables for such a device."""


def place(device: Device, model: Path, config: str) -> Layout:
    """Install a release as a deployment would."""
    layout = Layout(device.root)
    layout.make()
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    shutil.copy(model, layout.incoming / f"{digest}.tflite")
    layout.take_model(digest)
    (layout.environments / "this").symlink_to(Path(sys.prefix), target_is_directory=True)
    layout.write_release("here", "this", digest, config, {"name": "rubbish", "version": "0.2.0"})
    layout.switch("here")
    return layout
