"""The zones drawn on the page, in a file of their own, which run.toml includes by its key ``page_zones``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgeclf_runtime.config.settings import read_settings
from edgeclf_runtime.config.zones import ZoneSettings
from edgeclf_runtime.errors import UsageError
from edgeclf_runtime.system.atomic_file import write_text
from edgeclf_runtime.system.state_folder import service_folder

__all__ = ["page_file", "placed", "read_page_zones", "rounded", "with_page_zones", "write_page_zones"]

_PLACE = ("region", "polygon")
_KEYS = ("name", "camera", *_PLACE)
_MOST_POINTS = 64  # checking for crossing sides takes time with its square
_MOST_ZONES = 64
_DIGITS = 4  # digits of shares after the decimal point
_HEAD = """\
# Zones drawn on the page of edgeclf run, which writes this file anew. run.toml includes it by page_zones.
# A zone that run.toml has, too, gets its place from here and all else from there.
"""


def page_file(content: Mapping[str, Any]) -> Path | None:
    """Return the file named in run.toml; None without one. A service keeps it in its state folder."""
    name = content.get("page_zones")
    if not isinstance(name, str) or not name:
        return None
    return (service_folder() or Path()) / name


def read_page_zones(path: Path) -> list[dict[str, Any]]:
    """Read the zones of the file; none if it is missing.

    Raises:
        UsageError: it cannot be read, or has other contents.
    """
    if not path.exists():
        return []
    content = read_settings(path)
    try:
        if wrong := [key for key in content if key != "zone"]:
            raise UsageError(f"{wrong[0]}: expected [[zone]] alone; all else belongs into run.toml")
        return placed(content.get("zone", []))
    except UsageError as error:
        raise UsageError(f"{path}: {error}.") from None


def placed(zones: Any) -> list[dict[str, Any]]:
    """Return zones that have only a position; their values are checked with those of run.toml.

    Raises:
        UsageError: they are not tables of zones, or too many.
    """
    if not isinstance(zones, list) or not all(isinstance(zone, dict) for zone in zones):
        raise UsageError("expected a list of zones")
    if len(zones) > _MOST_ZONES:
        raise UsageError(f"expected at most {_MOST_ZONES} zones, got {len(zones)}")
    wrong = []
    for number, zone in enumerate(zones, 1):
        name = zone.get("name") if isinstance(zone.get("name"), str) else number
        wrong += [f"zone {name}.{key}: expected {', '.join(_KEYS)} alone" for key in zone if key not in _KEYS]
        polygon = zone.get("polygon")
        if isinstance(polygon, list) and len(polygon) > _MOST_POINTS:
            wrong.append(f"zone {name}.polygon: expected at most {_MOST_POINTS} points, got {len(polygon)}")
    if wrong:
        raise UsageError("; ".join(wrong))
    return zones


def rounded(zones: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return zones with shares as they are written to the file: what is checked must still be valid when read again."""
    return [{key: _rounded(value) if key in _PLACE else value for key, value in zone.items()} for zone in zones]


def _rounded(value: Any, depth: int = 2) -> Any:
    if isinstance(value, list) and depth:
        return [_rounded(each, depth - 1) for each in value]
    return round(value, _DIGITS) if isinstance(value, float) else value


def with_page_zones(content: Mapping[str, Any], drawn: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return run.toml's content with the drawn zones; one of an existing name replaces its camera and position."""
    written = content.get("zone", [])
    if not drawn or not isinstance(written, list):
        return dict(content)
    new, merged = list(drawn), []
    for table in written:
        own = next((zone for zone in new if isinstance(table, dict) and zone.get("name") == table.get("name")), None)
        if own is not None:
            new.remove(own)
            table = {**{key: value for key, value in table.items() if key not in _PLACE}, **own}
        merged.append(table)
    return {**content, "zone": [*merged, *new]}


def write_page_zones(path: Path, zones: Sequence[ZoneSettings]) -> None:
    """Write the file; at any moment either the old or the new one is there.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, _HEAD + "".join(map(_table, zones)))


def _table(zone: ZoneSettings) -> str:
    lines = ["", "[[zone]]", *(f"{key} = {json.dumps(text, ensure_ascii=False)}" for key, text in _names(zone))]
    if zone.polygon:
        lines.append(f"polygon = {[[round(share, _DIGITS) for share in point] for point in zone.polygon]}")
    elif zone.region is not None:
        lines.append(f"region = {[round(share, _DIGITS) for share in zone.region]}")
    return "\n".join([*lines, ""])


def _names(zone: ZoneSettings) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("name", zone.name), ("camera", zone.camera)
