"""Check that the cameras and zones of run.toml fit together and to their models."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Callable

from edgeclf_runtime.config.tables import Reading
from edgeclf_runtime.config.zones import CameraSettings, ZoneSettings, duplicates
from edgeclf_runtime.decision.decision import UNKNOWN
from edgeclf_runtime.errors import EdgeclfError
from edgeclf_runtime.prediction import NOTHING
from edgeclf_runtime.renamed import meant
from edgeclf_runtime.sinks.gpio import output_of
from edgeclf_runtime.sinks.mqtt.topic_part import topic_part

__all__ = ["Labels", "check_models", "check_names", "check_pins", "check_sources"]

Labels = Callable[[Path], "tuple[str, ...]"]


def check_names(kind: str, names: Sequence[str], reading: Reading) -> None:
    """Note names that occur twice, or that would be one name in MQTT's topics."""
    twice = duplicates(names)
    reading.wrong += [f"{kind} {name}: named twice" for name in twice]
    owners: dict[str, str] = {}
    for name in dict.fromkeys(names):
        owner = owners.setdefault(topic_part(name).casefold(), name)
        if owner.casefold() != name.casefold():
            reading.wrong.append(f"{kind} {name}: has the same MQTT topics as {kind} {owner}; rename one of them")


def check_sources(cameras: Sequence[CameraSettings], used: set[str], reading: Reading) -> None:
    """Note sources that only one camera can read, but several would; ``used`` are the cameras that are opened."""
    owners: dict[str, str] = {}
    for camera in cameras:
        source = _exclusive(camera.source)
        if source and camera.name in used and (owner := owners.setdefault(source, camera.name)) != camera.name:
            reading.wrong.append(
                f"camera {camera.name}: its source is read by camera {owner}; give that one several zones instead"
            )


def _exclusive(source: str) -> str:
    """Return what stands for a source that can be opened only once; empty for a file or an address."""
    if source == "-" or source.startswith("csi:"):
        return source
    if source == "csi":
        return "csi:0"
    path = f"/dev/video{source.lstrip('0') or 0}" if source.isdecimal() else source
    try:
        return os.path.realpath(path) if path.startswith("/dev/") and not os.path.isfile(path) else ""
    except ValueError:  # a NUL character; opening the source reports it
        return ""


def check_pins(zones: Sequence[ZoneSettings], content: Mapping[str, Any], reading: Reading) -> None:
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


def check_models(
    zones: Sequence[ZoneSettings], content: Mapping[str, Any], model: Path, labels: Labels, reading: Reading
) -> None:
    """Note models that cannot be used, and labels that zones and sinks name but no model of theirs has."""
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
                _check_labels(
                    named or (), answers, (UNKNOWN,), f"zone {zone.name}.{key}: its model has no label", reading
                )
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
            _check_labels(named, all_answers, others, f"sinks.{key}: no zone's model has a label", reading)


def _check_labels(
    named: Sequence[Any], answers: Sequence[str], others: Sequence[str], mistake: str, reading: Reading
) -> None:
    for label in named:
        if label not in (*answers, *others):
            near = meant(label, answers, {}) if isinstance(label, str) else ""
            which = f", did you mean {near!r}?" if near else f"; labels: {', '.join(answers[:10])}"
            reading.wrong.append(f"{mistake} {label!r}{which}")
