"""Apply changes of zones from the page: check them like run.toml's, store them in their file, and change the run."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Callable

from edgeclf_runtime.config.page_zones import (
    page_file,
    placed,
    read_page_zones,
    rounded,
    with_page_zones,
    write_page_zones,
)
from edgeclf_runtime.config.settings import RunSettings, settings
from edgeclf_runtime.config.zones import ZoneSettings
from edgeclf_runtime.errors import SinkError, UsageError

__all__ = ["Change", "ZoneChanges", "settings_and_changes"]

Change = Callable[[RunSettings, Callable[[], None]], None]
"""Takes the zones of these settings over: prepares what may fail, calls the function that keeps them, and then
changes the run, which cannot fail."""


def settings_and_changes(
    content: Mapping[str, Any],
    given: Mapping[str, Mapping[str, Any]],
    where: str,
    model: Path,
    labels: Callable[[Path], tuple[str, ...]] | None,
) -> tuple[RunSettings, ZoneChanges | None]:
    """Return the settings, with the zones drawn on the page, and the object that applies changes; None if drawing is
    disabled. See ``config.settings.settings``.

    Raises:
        UsageError: invalid settings; the message names all mistakes at once.
    """
    path = page_file(content)
    drawn = [] if path is None else read_page_zones(path)
    if path is None:
        return settings(content, given, where, model, labels), None
    both = f"{where} with {path}" if drawn else where
    chosen = settings(with_page_zones(content, drawn), given, both, model, labels)
    written = settings(content, given, where, model).zones if drawn else chosen.zones

    def read(zones: list[dict[str, Any]]) -> RunSettings:
        return settings(with_page_zones(content, zones), given, "", model)

    return chosen, ZoneChanges(path, chosen, written, "zone" in content, read)


_START = 10.0  # seconds to wait for a run that has just begun to serve its page


class ZoneChanges:
    """See ``sinks.zone_editor.ZoneEditor``.

    Args:
        path: path of the file of drawn zones.
        chosen: the settings with the drawn zones.
        written: the zones of run.toml itself or, if it has none, one per camera for the whole image.
        has_written: whether run.toml has zones.
        read: returns the settings with these drawn zones; raises UsageError with all mistakes.
    """

    def __init__(
        self,
        path: Path,
        chosen: RunSettings,
        written: tuple[ZoneSettings, ...],
        has_written: bool,
        read: Callable[[list[dict[str, Any]]], RunSettings],
    ) -> None:
        self._path, self._chosen, self._read = path, chosen, read
        self._written = {zone.name: zone for zone in written}
        self._has_written, self._version = has_written, 0
        self._change: Change | None = None
        self._begun = threading.Event()
        self._lock = threading.Lock()
        self.cameras = tuple(camera.name for camera in chosen.cameras)

    def begin(self, change: Change) -> None:
        """Apply changes from now on."""
        self._change = change
        self._begun.set()

    def listed(self) -> dict[str, Any]:
        """See ``ZoneEditor``."""
        zones = [
            {
                "name": zone.name,
                "camera": zone.camera,
                "region": None if zone.polygon else zone.region,
                "polygon": zone.polygon,
                "written": self._is_written(zone.name),
            }
            for zone in self._chosen.zones
        ]
        return {"version": self._version, "zones": zones}

    def _is_written(self, name: str) -> bool:
        return self._has_written and name in self._written

    def save(self, version: int, zones: Any) -> None:
        """See ``ZoneEditor``."""
        with self._lock:
            if version != self._version:
                raise SinkError("The zones were changed elsewhere meanwhile; cancel, and draw again.")
            chosen = self._checked(zones)
            drawn = self._drawn(chosen.zones)
            if not self._begun.wait(_START) or self._change is None:
                raise SinkError("edgeclf is still starting; save again in a moment.")
            self._change(chosen, lambda: self._keep(drawn))
            self._chosen, self._version = chosen, self._version + 1

    def _checked(self, zones: Any) -> RunSettings:
        try:
            tables = rounded(placed(zones))
        except UsageError as error:
            raise UsageError(f"{error}.") from None
        names = [zone.get("name") for zone in tables]
        if missing := [name for name in self._written if self._has_written and name not in names]:
            raise UsageError(f"zone {', '.join(missing)}: written in run.toml; rename or delete it there.")
        if not tables:
            raise UsageError("Expected at least one zone.")
        return self._read(tables)

    def _drawn(self, zones: tuple[ZoneSettings, ...]) -> list[ZoneSettings]:
        """Return the zones that the file must contain: those that differ from run.toml's."""
        changed = [zone for zone in zones if _place(zone) != _place(self._written.get(zone.name))]
        return changed if self._has_written or (not changed and len(zones) == len(self._written)) else list(zones)

    def _keep(self, drawn: list[ZoneSettings]) -> None:
        try:
            write_page_zones(self._path, drawn)
        except OSError as error:
            raise SinkError(f"{self._path}: {error.strerror or error}; the zones are as before.") from None


def _place(zone: ZoneSettings | None) -> object:
    return zone and (zone.camera, zone.polygon or zone.region)
