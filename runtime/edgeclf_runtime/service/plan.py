"""Plan a unit from a model, a TOML file and a user, or explain why it cannot work."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgeclf_runtime.backends.edgetpu import LIBRARY_VARIABLE, edgetpu_library
from edgeclf_runtime.config.settings import RunSettings
from edgeclf_runtime.errors import ServiceError, UsageError
from edgeclf_runtime.pipeline.zone_sinks import own_sinks
from edgeclf_runtime.service.permissions import Person, existing_groups
from edgeclf_runtime.service.unit import Unit, made_by_systemd
from edgeclf_runtime.sources import SourceOptions, is_live

__all__ = ["check_access", "check_source", "made_folders", "planned"]

_GROUPS = ("video", "plugdev", "apex")  # groups for cameras and Edge TPUs; not every system has all of them
_AUTHORITIES_VARIABLE = "SSL_CERT_FILE"  # OpenSSL's variable, for private certificates of cameras and brokers
_RUN_AS = "give a user who may with --run-as, or with --user make it a service of your own"


def planned(
    model: Path, config: Path, words: Sequence[str], chosen: RunSettings, who: Person | None, labels: Path | None = None
) -> Unit:
    """Return the unit for this machine, still without its memory limit and systemd's version.

    Args:
        model, config: arguments of ``edgeclf run``.
        words: further options of ``edgeclf run``.
        chosen: settings in the config.
        who: the user to run as; None for a user's own unit.
        labels: label file given among the words.
    """
    model, config = model.absolute(), config.absolute()
    command = (sys.executable, "-m", "edgeclf_runtime", "run", str(model), "--config", str(config), *words)
    library = edgetpu_library() if os.environ.get(LIBRARY_VARIABLE) else ""
    reads = [model, Path(sys.prefix), Path(sys.base_prefix), Path(__file__)]
    reads += [zone.model.absolute() for zone in chosen.zones if zone.model is not None]
    reads += [Path(source).absolute() for source, _ in _sources(chosen) if not is_live(source)]
    reads += [labels.absolute()] if labels else []
    reads += [Path(path).absolute() for path in (chosen.trusted_key, chosen.update_ca) if path]
    if os.path.isabs(library):  # otherwise the system's loader finds it
        reads.append(Path(library))
    authorities = os.environ.get(_AUTHORITIES_VARIABLE, "")
    if authorities:
        authorities = os.path.abspath(authorities)
        reads.append(Path(authorities))
    variables = ((LIBRARY_VARIABLE, library), (_AUTHORITIES_VARIABLE, authorities))
    environment = tuple((variable, value) for variable, value in variables if value)
    devices = _devices(chosen)
    name, groups = (who.name, existing_groups((*_GROUPS, *devices.values()))) if who is not None else ("", ())
    folders, own = chosen.sinks.folders(), chosen.sinks.values("carried")
    if os.path.isabs(chosen.page_zones):  # otherwise it is in the state folder
        folders = tuple(dict.fromkeys((*folders, Path(os.path.normpath(chosen.page_zones)).parent)))
    secret = tuple(dict.fromkeys(Path(os.path.abspath(file)) for file in (str(config), *own)))
    unit = Unit(command, Path.cwd(), tuple(reads), folders, name, groups, "", environment, who is None, secret=secret)
    return replace(unit, devices=tuple(devices))


def _devices(chosen: RunSettings) -> dict[str, str]:
    """Return the kernel devices that the sinks use, and their groups."""
    own = [own_sinks(chosen.sinks, zone) for zone in chosen.zones] or [chosen.sinks]
    return {device: group for sinks in own for device, group in sinks.devices().items()}


def check_source(settings: RunSettings) -> None:
    """Raise UsageError for a source that ends by itself: systemd would restart it again and again."""
    if any(source == "-" or not (is_live(source) or options.watch) for source, options in _sources(settings)):
        raise UsageError(
            "A service needs a source that does not end: a camera, a stream, or a folder with watch = true."
        )


def _sources(chosen: RunSettings) -> list[tuple[str, SourceOptions]]:
    """Return each source with its options."""
    cameras = [(camera.source, camera.options) for camera in chosen.cameras]
    return cameras or [(chosen.source, chosen.camera)]


def check_access(unit: Unit, who: Person) -> None:
    """Raise ServiceError for paths that the user may not read or write; missing folders will be owned by the user."""
    name = who.name or "the service's own user"
    for path in (*unit.reads, *(() if unit.carries else unit.secret), unit.folder):
        if not who.may_read(path):
            raise ServiceError(f"{path}: {name} may not read it; {_RUN_AS}.")
    for path in unit.writes:
        to_be_made = made_by_systemd(path) or (who.name and not path.exists())
        if not to_be_made and not who.may_write(path):
            own = "" if who.name else " or write to folders of its own in /var/lib, /var/log or /var/cache,"
            raise ServiceError(f"{path}: {name} may not write there;{own} {_RUN_AS}.")


def made_folders(unit: Unit, who: Person | None) -> list[Path]:
    """Create missing folders that systemd does not create, owned by the user; return those created."""
    made = []
    for path in unit.writes:
        if path.exists() or (who is not None and (made_by_systemd(path) or not who.name)):
            continue
        missing = [path, *(parent for parent in path.parents if not parent.exists())]
        path.mkdir(parents=True)
        for folder in missing if who is not None else []:
            os.chown(folder, who.number if who else -1, -1, follow_symlinks=False)  # the parent may be the user's
        made.append(path)
    return made
