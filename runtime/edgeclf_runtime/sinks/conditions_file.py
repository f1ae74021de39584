"""Keep the conditions of a service's camera in its state folder, where ``edgeclf doctor`` reads them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from edgeclf_runtime.decision.conditions import Conditions
from edgeclf_runtime.sinks.keys import Opening, SinkKeys
from edgeclf_runtime.sinks.sink import NO_ZONE, Item, Observation, Sink, ZoneName
from edgeclf_runtime.system.atomic_file import written_beside
from edgeclf_runtime.system.state_folder import service_folder

__all__ = ["CONDITIONS", "ConditionsFile", "ConditionsFileKeys"]

CONDITIONS = "conditions.json"
"""Name of the file in the state folder; with zones, each has its own, such as conditions-gate.json."""

_EVERY = 3600.0  # seconds between two writes while nothing changes: memory cards wear out


@dataclass(frozen=True)
class ConditionsFileKeys(SinkKeys):
    """Written by every service; there is nothing to set."""

    def open(self, run: Opening) -> Iterator[Sink]:
        folder = service_folder()
        if folder is None:
            return
        if not run.zone.zone:  # the first sink that is opened
            _remove_others(folder, {_file_name(zone) for zone in run.zones or (NO_ZONE,)})
        if run.zone.zone or not run.zones:
            yield ConditionsFile(folder / _file_name(run.zone))


def _file_name(zone: ZoneName) -> str:
    return f"conditions-{zone.zone}.json" if zone.zone else CONDITIONS


def _remove_others(folder: Path, names: set[str]) -> None:
    """Remove the files of zones that no longer exist."""
    for path in folder.glob("conditions*.json"):
        if path.name not in names:
            with suppress(OSError):
                path.unlink()


class ConditionsFile:
    """Writes the conditions when they change, and every hour.

    Args:
        path: path of the file, a JSON object with the fields of ``Conditions``, the ``time`` in seconds since 1970 and,
            with zones, the ``camera`` and the ``zone``.
    """

    pictures = False

    def __init__(self, path: Path) -> None:
        self._path, self.name = path, f"conditions {path}"
        self._written: Conditions | None = None
        self._written_at = 0.0

    def take(self, item: Item) -> None:
        conditions = item.conditions if isinstance(item, Observation) else None
        if not isinstance(item, Observation) or conditions is None:
            return
        before, now = self._written, time.monotonic()
        changed = before is None or before.is_unlike != conditions.is_unlike
        if not changed and (before == conditions or now - self._written_at < _EVERY):
            return
        content = json.dumps({**asdict(conditions), "time": round(item.time, 3), **item.zone.fields})
        with written_beside(self._path) as hidden:
            hidden.write_text(content + "\n", "utf-8")
        self._written, self._written_at = conditions, now

    def close(self) -> None:
        """Keep the file."""
