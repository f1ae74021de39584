"""Read ``[[camera]]`` and ``[[zone]]`` and check that they fit together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from edgeclf_runtime.config.tables import Reading
from edgeclf_runtime.config.zone_checks import Labels, check_models, check_names, check_pins, check_sources
from edgeclf_runtime.config.zones import CameraKeys, CameraSettings, ZoneKeys, ZoneSettings
from edgeclf_runtime.decision.decision import DecisionRule
from edgeclf_runtime.decision.gate import GateRule
from edgeclf_runtime.renamed import meant
from edgeclf_runtime.sources.source import SourceOptions

__all__ = ["cameras_and_zones", "has_zones"]

_RULES: dict[str, type[Any]] = {"decision": DecisionRule, "gate": GateRule}
_KEYS = {item.name for item in fields(ZoneKeys)} | {*_RULES}
_HOMES = {
    **{item.name: "[[camera]]" for item in fields(SourceOptions)},
    **{item.name: f"[zone.{name}]" for name, kind in _RULES.items() for item in fields(kind)},
    "source": "[[camera]]",
}
"""Where keys belong that are easily written into ``[[zone]]`` instead."""


def has_zones(content: Mapping[str, Any]) -> bool:
    """Return whether a file has ``[[camera]]`` or ``[[zone]]``, or zones drawn on the page."""
    return "zone" in content or isinstance(content.get("camera"), list) or bool(content.get("page_zones"))


def cameras_and_zones(
    content: Mapping[str, Any],
    given: Mapping[str, Mapping[str, Any]],
    model: Path,
    labels: Labels | None,
    reading: Reading,
) -> tuple[tuple[CameraSettings, ...], tuple[ZoneSettings, ...]]:
    """Return the cameras and zones; mistakes are noted in ``reading``.

    A file with ``[camera]`` and zones has one camera, ``camera``. If a file has no zones at all, each camera gets one
    with its own name for the whole image.

    Args:
        content: the file's content.
        given: options of the command line by table; they apply to all cameras and zones.
        model: the model for zones that name none.
        labels: reads the labels of a model file; raises EdgeclfError if it cannot be used. None does not check them.
        reading: collects the mistakes.
    """
    before = len(reading.wrong)
    cameras = _cameras(content, given, reading)
    zones = _zones(content, given, [camera.name for camera in cameras], reading)
    check_names("camera", _names(content.get("camera")), reading)
    check_names("zone", _names(content.get("zone")), reading)
    check_sources(cameras, {zone.camera for zone in zones}, reading)
    if not zones and len(reading.wrong) == before:
        reading.wrong.append("expected at least one [[camera]] or [[zone]]")
    check_pins(zones, content, reading)
    if labels is not None:
        check_models(zones, content, model, labels, reading)
    return tuple(cameras), tuple(zones)


def _names(tables: Any) -> list[str]:
    """Return the names of all tables, also of those with mistakes."""
    listed = tables if isinstance(tables, list) else []
    return [name for table in listed if isinstance(table, Mapping) and (name := _name(table))]


def _tables(content: Mapping[str, Any], key: str, reading: Reading) -> list[Mapping[str, Any]]:
    tables = content.get(key, [])
    if not isinstance(tables, list) or not all(isinstance(table, Mapping) for table in tables):
        reading.wrong.append(f"{key}: expected tables, [[{key}]]")
        return []
    return tables


def _called(table: Mapping[str, Any], key: str, number: int) -> str:
    name = table.get("name")
    return f"{key} {name}" if isinstance(name, str) and name and name.isprintable() else f"{key} {number}"


def _cameras(
    content: Mapping[str, Any], given: Mapping[str, Mapping[str, Any]], reading: Reading
) -> list[CameraSettings]:
    if not isinstance(content.get("camera", {}), list):
        table = content.get("camera", {})
        if not isinstance(table, Mapping):
            reading.wrong.append("camera: expected tables, [[camera]]")
            return []
        source = given.get("", {}).get("source") or content.get("source", "0")
        options = reading.part(table, SourceOptions, "camera", given.get("camera"))
        return [] if options is None else [CameraSettings("camera", str(source), options)]
    if "source" in content or given.get("", {}).get("source"):
        reading.wrong.append("source: with [[camera]], each has its own")
    cameras = []
    for number, table in enumerate(_tables(content, "camera", reading), 1):
        called = _called(table, "camera", number)
        own = {key: table[key] for key in ("name", "source") if key in table}
        keys = reading.part(own, CameraKeys, called, table="-")
        options = reading.part(table, SourceOptions, called, given.get("camera"), "camera", ("name", "source"))
        if keys is not None and options is not None:
            cameras.append(CameraSettings(keys.name, keys.source, options))
    return cameras


def _zones(
    content: Mapping[str, Any], given: Mapping[str, Mapping[str, Any]], cameras: Sequence[str], reading: Reading
) -> list[ZoneSettings]:
    is_list = isinstance(content.get("camera"), list)
    named = _names(content["camera"]) if is_list else ["camera"]
    tables = _tables(content, "zone", reading) if "zone" in content else [{"name": n, "camera": n} for n in cameras]
    general = {name: _general(content, given, name, reading) for name in _RULES}
    zones = []
    for number, table in enumerate(tables, 1):
        called = _called(table, "zone", number)
        elsewhere = [key for key in table if key not in _KEYS and key in _HOMES]
        reading.wrong += [f"{called}.{key}: belongs in {_HOMES[key]}" for key in elsewhere]
        keys = reading.part(table, ZoneKeys, called, table="-", others=(*_RULES, *elsewhere))
        rules = {name: _rule(general[name], given, table, name, called, reading) for name in _RULES}
        camera = _name(table, "camera") or (named[0] if len(named) == 1 else "")
        if camera not in named and (camera or (len(named) > 1 and "camera" not in table)):
            near = meant(camera, named, {})
            which = f"{camera!r} is no [[camera]]" if camera else f"expected one of {', '.join(named)}"
            reading.wrong.append(f"{called}.camera: {which}{f', did you mean {near}?' if near and camera else ''}")
        elif is_list and not content["camera"]:
            reading.wrong.append(f"{called}.camera: expected at least one [[camera]]")
        keys, name = (_checkable(table), called.partition(" ")[2]) if keys is None else (keys, keys.name)
        zones.append(replace(ZoneSettings.made(keys, camera, rules["decision"], rules["gate"]), name=name))
    return zones


def _checkable(table: Mapping[str, Any]) -> ZoneKeys:
    """Return what can be checked of a zone with mistakes: whether its model has the labels it names."""
    own = {key: table[key] for key in ("model", "on", "after") if key in table}
    return Reading().part({"name": "x", "gpio": [], **own}, ZoneKeys, "") or ZoneKeys("x")


def _name(table: Mapping[str, Any], key: str = "name") -> str:
    name = table.get(key)
    return name if isinstance(name, str) else ""


def _general(
    content: Mapping[str, Any], given: Mapping[str, Mapping[str, Any]], name: str, reading: Reading
) -> Mapping[str, Any] | None:
    """Return the table of this name for all zones; None if it or the command line has mistakes, noted here once."""
    table, before = content.get(name, {}), len(reading.wrong)
    if not isinstance(table, Mapping):
        reading.wrong.append(f"{name}: expected a table, [{name}]")
        return None
    options = dict(given.get(name, {}))
    if name == "gate" and ("region" in table or options.pop("region", None)):
        reading.wrong.append("region belongs to [[zone]], not to [gate] or --region")
    others = ("region",) if name == "gate" else ()
    reading.part(table, _RULES[name], name, options, others=others)
    return table if len(reading.wrong) == before else None


def _rule(
    general: Mapping[str, Any] | None,
    given: Mapping[str, Mapping[str, Any]],
    zone: Mapping[str, Any],
    name: str,
    called: str,
    reading: Reading,
) -> Any:
    """Return a zone's rule; values that it does not set come from the table for all zones."""
    own = zone.get(name, {})
    if not isinstance(own, Mapping):
        reading.wrong.append(f"{called}.{name}: expected a table, [zone.{name}]")
        return _RULES[name]()
    if name == "gate" and "region" in own:
        reading.wrong.append(f"{called}.gate.region: belongs in [[zone]]")
        own = {key: value for key, value in own.items() if key != "region"}
    options = {} if general is None else given.get(name)
    return reading.part({**(general or {}), **own}, _RULES[name], f"{called}.{name}", options, name) or _RULES[name]()
