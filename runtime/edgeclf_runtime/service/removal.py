"""Remove what a service leaves elsewhere: its device in Home Assistant."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from edgeclf_runtime.config.settings import SinkSettings, read_settings
from edgeclf_runtime.errors import EdgeclfError

__all__ = ["forget_device", "unit_paths"]


def unit_paths(unit: str) -> tuple[Path, Path] | None:
    """Return the config and the working folder named in the text of a unit; None if it names none."""
    lines = dict(
        line.split("=", 1) for line in unit.splitlines() if line.startswith(("ExecStart=", "WorkingDirectory="))
    )
    try:
        words = shlex.split(lines["ExecStart"].replace("%%", "%").replace("$$", "$"))
        config = words[words.index("--config") + 1]
        return Path(config), Path(lines["WorkingDirectory"].replace("%%", "%"))
    except (KeyError, ValueError, IndexError):
        return None


def forget_device(unit: str, service: str) -> str:
    """Remove a service's device from its MQTT broker; return what was done, or why not; empty without a broker.

    Args:
        unit: text of its unit.
        service: name of the service.
    """
    if (paths := unit_paths(unit)) is None:
        return ""
    config, folder = paths
    try:
        table = read_settings(config).get("sinks")
        if not isinstance(table, Mapping):
            return ""
        names = ("mqtt", "mqtt_device", "mqtt_ca", "mqtt_cert", "mqtt_key")
        given = {name: table[name] for name in names if isinstance(table.get(name), str)}
        if not given.get("mqtt"):
            return ""
        from edgeclf_runtime.sinks.mqtt.removal import remove_device

        files = {name: str(folder / given[name]) for name in names[2:] if given.get(name)}
        options = SinkSettings(**{**given, **files}).device_options(service)
        return f"Removed from MQTT broker: device {options.device}" if remove_device(options) else ""
    except EdgeclfError as error:
        return f"Home Assistant may go on to show the device: {str(error).rstrip('.')}."
