"""The status of a device: its release, its service's health, and the conditions of its camera."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .edgeclf_calls import call
from .edgeclf_layout import Layout, ReleaseError
from .edgeclf_managers import Manager
from .edgeclf_service_files import service_object

__all__ = ["condition", "running_model", "updates_kept"]

_OF_HEALTH = ("state", "reason", "frames", "answer", "milliseconds", "refused", "time", "day")
_OF_CONDITIONS = ("is_unlike", "views", "accuracy", "error", "time")
_THERMAL = "sys/class/thermal/thermal_zone*/temp"


def condition(layout: Layout, manager: Manager, *, verify: bool = True, system: Path = Path("/")) -> dict[str, Any]:
    """Return what is known about a device, ready for JSON; unknown values are None.

    Args:
        layout: the folders of the device.
        manager: manager of its service.
        verify: whether to compare the model's golden scores, which takes several seconds.
        system: root of the file system, ``/`` except in tests.

    Raises:
        ReleaseError: nothing is deployed.
    """
    about = layout.about(layout.current)
    if not about:
        raise ReleaseError(f"nothing is deployed in {layout.root}; use edgeclf deploy first.")
    process, usage = manager.process(), shutil.disk_usage(layout.root)
    health = _health(manager, process)
    return {
        "processor": platform.machine(),
        "python": platform.python_version(),
        "version": about.get("version"),
        "model": {"name": about.get("name"), "digest": about.get("model")},
        "running": _running(layout, health.get("models"), manager.health.parent),
        "release": layout.current,
        "service": "runs" if process else "not running" if manager.runs_service else "none",
        "health": _chosen(health, _OF_HEALTH),
        "conditions": _chosen(service_object(manager.health.with_name("conditions.json")), _OF_CONDITIONS),
        "golden": _golden(layout) if verify else None,
        "temperature": _temperature(system),
        "disk": {"free": usage.free, "total": usage.total},
    }


def running_model(layout: Layout, manager: Manager) -> dict[str, str] | None:
    """Return which model the service uses instead of the deployed one, and where it comes from.

    "deployed"; "replaced": the file was replaced; "update": the service fetched it itself; or "last good copy". None if
    the service is not running, or does not report it.
    """
    return _running(layout, _health(manager, manager.process()).get("models"), manager.health.parent)


def updates_kept(layout: Layout, state: Path) -> list[Path]:
    """Return the copies of an update that the service fetched to replace the deployed model, if any."""
    arrived = state / f"{_mark(layout.link / 'model.tflite')}-update.tflite"
    return sorted(state.glob(f"{_mark(arrived)}-*.tflite"))


def _mark(path: Path) -> str:
    """Return the prefix of the files that a service keeps for a file, as in edgeclf_runtime/system/state_folder.py."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]


def _health(manager: Manager, process: int) -> dict[str, Any]:
    """Return the health that this process wrote; empty if it has not."""
    health = service_object(manager.health)
    return health if process and health.get("process") == process else {}


def _running(layout: Layout, models: object, state: Path) -> dict[str, str] | None:
    deployed = layout.link / "model.tflite"
    kept = _mark(deployed)
    for model in models if isinstance(models, list) else ():
        name, digest, signed = (str(model.get(key, "")) for key in ("name", "digest", "signed"))
        path = Path(str(model.get("path", "")))
        if path == deployed:
            is_same = digest == layout.about(layout.current).get("model")
            return {"name": name, "digest": digest, "from": "deployed" if is_same else "replaced"}
        if path.parent == state:  # for updates, the digest is the published one
            is_copy = path.name.startswith(f"{kept}-") and path.name != f"{kept}-update.tflite"
            source = "last good copy" if is_copy else "update"
            return {"name": name, "digest": digest if is_copy else signed or digest, "from": source}
    return None


def _golden(layout: Layout) -> str:
    """Return "ok", or why the model fails its check."""
    python = layout.link / "environment/bin/python"
    try:
        call([python, "-I", "-m", "edgeclf_runtime", "verify", layout.link / "model.tflite"], "verify", seconds=120)
    except ReleaseError as error:
        return str(error)
    return "ok"


def _temperature(system: Path) -> float | None:
    """Return the highest temperature in degrees Celsius."""
    degrees = []
    for path in system.glob(_THERMAL):
        try:
            degrees.append(int(path.read_text("utf-8")) / 1000)
        except (OSError, ValueError):  # some sensors answer only at times
            continue
    return max(degrees, default=None)


def _chosen(content: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any] | None:
    return {name: content.get(name) for name in names} if content else None
