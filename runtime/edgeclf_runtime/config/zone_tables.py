"""Read ``[[camera]]`` and ``[[zone]]`` and check that they fit together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Callable

from edgeclf_runtime.config.tables import Reading
from edgeclf_runtime.config.zones import CameraKeys, CameraSettings, ZoneKeys, ZoneSettings, duplicates
from edgeclf_runtime.decision.decision import UNKNOWN, DecisionRule
from edgeclf_runtime.decision.gate import GateRule
from edgeclf_runtime.errors import EdgeclfError
from edgeclf_runtime.prediction import NOTHING
from edgeclf_runtime.renamed import meant
from edgeclf_runtime.sinks.gpio import output_of
from edgeclf_runtime.sources.source import SourceOptions

__all__ = ["cameras_and_zones", "has_zones"]

_RULES = ("decision", "gate")
Labels = Callable[[Path], "tuple[str, ...]"]


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
    cameras = _cameras(content, given, reading)
    zones = _zones(content, given, [camera.name for camera in cameras], reading)
    reading.wrong += [f"camera {name}: named twice" for name in duplicates([camera.name for camera in cameras])]
    reading.wrong += [f"zone {name}: named twice" for name in duplicates([zone.name for zone in zones])]
    if not zones and not reading.wrong:
        reading.wrong.append("expected at least one [[camera]] or [[zone]]")
    _check_pins(zones, content, reading)
    if labels is not None:
        _check_models(zones, content, model, labels, reading)
    return tuple(cameras), tuple(zones)


def _tables(content: Mapping[str, Any], key: str, reading: Reading) -> list[Mapping[str, Any]]:
    tables = content.get(key, [])
    if not isinstance(tables, list) or not all(isinstance(table, Mapping) for table in tables):
        reading.wrong.append(f"{key}: expected tables, [[{key}]]")
        return []
    return tables


def _called(table: Mapping[str, Any], key: str, number: int) -> str:
    name = table.get("name")
    return f"{key} {name}" if isinstance(name, str) and name else f"{key} {number}"


def _cameras(
    content: Mapping[str, Any], given: Mapping[str, Mapping[str, Any]], reading: Reading
) -> list[CameraSettings]:
    if not isinstance(content.get("camera", {}), list):
        table = content.get("camera", {})
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
    named = [*cameras, *(_name(table) for table in content.get("camera", ()) if isinstance(table, Mapping))]
    tables = _tables(content, "zone", reading) if "zone" in content else [{"name": n, "camera": n} for n in cameras]
    zones = []
    for number, table in enumerate(tables, 1):
        called = _called(table, "zone", number)
        keys = reading.part(table, ZoneKeys, called, table="-", others=_RULES)
        decision = _rule(content, given, table, "decision", DecisionRule, called, reading)
        gate = _rule(content, given, table, "gate", GateRule, called, reading)
        camera = _name(table, "camera") or (cameras[0] if len(cameras) == 1 else "")
        if camera not in named:
            near = meant(camera, cameras, {})
            which = f"{camera!r} is no [[camera]]" if camera else f"expected one of {', '.join(cameras)}"
            reading.wrong.append(f"{called}.camera: {which}{f', did you mean {near}?' if near and camera else ''}")
        elif keys is not None and decision is not None and gate is not None:
            zones.append(ZoneSettings.made(keys, camera, decision, gate))
    return zones


def _name(table: Mapping[str, Any], key: str = "name") -> str:
    name = table.get(key)
    return name if isinstance(name, str) else ""


def _rule(
    content: Mapping[str, Any],
    given: Mapping[str, Mapping[str, Any]],
    zone: Mapping[str, Any],
    name: str,
    kind: type[Any],
    called: str,
    reading: Reading,
) -> Any:
    """Return a zone's rule; values that it does not set come from the table for all zones."""
    general, own = content.get(name, {}), zone.get(name, {})
    if not isinstance(own, Mapping) or not isinstance(general, Mapping):
        reading.wrong.append(f"{called}.{name}: expected a table, [zone.{name}]")
        return None
    if name == "gate" and ("region" in own or "region" in general or given.get("gate", {}).get("region")):
        reading.wrong.append(f"{called}: region belongs to [[zone]], not to [gate] or --region")
        return None
    return reading.part({**general, **own}, kind, f"{called}.{name}", given.get(name), name)


def _check_pins(zones: Sequence[ZoneSettings], content: Mapping[str, Any], reading: Reading) -> None:
    """Note pins that several zones would switch."""
    sinks = content.get("sinks")
    general = sinks.get("gpio", ()) if isinstance(sinks, Mapping) else ()
    owners: dict[str, str] = {}
    for zone in zones:
        for pin in dict(_outputs(general if zone.gpio is None else zone.gpio)):
            if (owner := owners.setdefault(pin, zone.name)) != zone.name:
                reading.wrong.append(f"zone {zone.name}.gpio: pin {pin} is already of zone {owner}")


def _outputs(texts: object) -> list[tuple[str, str]]:
    """Return pin and label of each ``PIN=LABEL``; invalid values are reported elsewhere."""
    listed = texts if isinstance(texts, (list, tuple)) else ()
    return [output_of(text) for text in listed if isinstance(text, str) and output_of(text)[0]]


def _check_models(
    zones: Sequence[ZoneSettings], content: Mapping[str, Any], model: Path, labels: Labels, reading: Reading
) -> None:
    known: dict[Path, tuple[str, ...]] = {}
    for path in dict.fromkeys(zone.model or model for zone in zones):
        try:
            known[path] = tuple(label for label in labels(path) if label != NOTHING)
        except EdgeclfError as error:
            users = ", ".join(zone.name for zone in zones if (zone.model or model) == path)
            reading.wrong.append(f"zone {users}: {str(error).rstrip('.')}")
    for zone in zones:
        if (answers := known.get(zone.model or model)) is not None:
            of_pins = [label for _, label in _outputs(zone.gpio)]
            for key, named in (("on", zone.on), ("after", zone.after), ("gpio", of_pins)):
                _check_labels(named or (), answers, (UNKNOWN,), f"zone {zone.name}.{key}", "its model", reading)
    sinks = content.get("sinks", {})
    if len(known) < len({zone.model or model for zone in zones}) or not isinstance(sinks, Mapping):
        return
    all_answers = tuple(dict.fromkeys(label for answers in known.values() for label in answers))
    for key, others in (
        ("on", (UNKNOWN,)),
        ("after", (UNKNOWN,)),
        ("gpio", (UNKNOWN,)),
        ("snapshot_labels", (UNKNOWN, NOTHING, "*")),
    ):
        named = sinks.get(key, ())
        if key == "gpio":
            named = [label for _, label in _outputs(named)]
        if isinstance(named, list):
            _check_labels(named, all_answers, others, f"sinks.{key}", "no zone's model", reading)


def _check_labels(
    named: Sequence[Any], answers: Sequence[str], others: Sequence[str], key: str, whose: str, reading: Reading
) -> None:
    for label in named:
        if label not in (*answers, *others):
            near = meant(label, answers, {}) if isinstance(label, str) else ""
            which = f", did you mean {near!r}?" if near else f"; labels: {', '.join(answers[:10])}"
            has = "has" if whose.startswith("no ") else "has no"
            reading.wrong.append(f"{key}: {whose} {has} {'a ' * whose.startswith('no ')}label {label!r}{which}")
