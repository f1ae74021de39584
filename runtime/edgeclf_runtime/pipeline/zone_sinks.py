"""Open the sinks of a run with zones: those of all zones, and each zone's own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.config.settings import RunSettings, SinkSettings
from edgeclf_runtime.config.zones import ZoneSettings
from edgeclf_runtime.decision.control import ZoneControl
from edgeclf_runtime.errors import SinkError
from edgeclf_runtime.model.identity import ModelIdentity
from edgeclf_runtime.pipeline.sinks import check_labels, check_sinks, open_sinks
from edgeclf_runtime.sinks import Sink
from edgeclf_runtime.sinks.sink import ZoneName
from edgeclf_runtime.sinks.zone_editor import ZoneEditor
from edgeclf_runtime.web.address import page_url

__all__ = ["check_zone_sinks", "open_shared_sinks", "open_zone_sinks", "own_sinks", "suit_zones"]


def check_zone_sinks(chosen: RunSettings) -> None:
    """Check the settings of all sinks, without opening anything.

    Raises:
        SinkError: something is wrong; the message names all mistakes, each once, with the zones that have it.
    """
    wrong: dict[str, list[str]] = {}
    checked = {"": _shared(chosen.sinks), **{zone.name: own_sinks(chosen.sinks, zone) for zone in chosen.zones}}
    for name, sinks in checked.items():
        try:
            check_sinks(sinks)
        except SinkError as error:
            wrong.setdefault(str(error).rstrip("."), []).append(name)
    if wrong:
        raise SinkError(f"{'; '.join(_whose(names, len(chosen.zones)) + text for text, names in wrong.items())}.")


def _whose(names: list[str], zones: int) -> str:
    """Return the beginning of a message about these zones; empty if it is about all of them."""
    return "" if "" in names or len(names) == zones else f"zone {', '.join(names)}: "


def suit_zones(chosen: RunSettings, zones: Iterable[ZoneSettings], labels: tuple[str, ...]) -> None:
    """Check that the labels named in these zones belong to their model.

    Raises:
        SinkError: some labels are unknown.
    """
    for zone in zones:
        check_labels(SinkSettings(on=zone.on or (), after=zone.after or (), gpio=zone.gpio or ()), labels)


def own_sinks(sinks: SinkSettings, zone: ZoneSettings) -> SinkSettings:
    """Return the settings of a zone's own sinks; its snapshots have their own folder."""
    folder = str(Path(sinks.snapshots) / zone.camera / zone.name) if sinks.snapshots else ""
    return replace(
        sinks,
        jsonl="",
        csv="",
        metrics=0,
        web="",
        web_cert="",
        web_key="",
        snapshots=folder,
        on=sinks.on if zone.on is None else zone.on,
        after=sinks.after if zone.after is None else zone.after,
        command=sinks.command if zone.command is None else zone.command,
        webhook=sinks.webhook if zone.webhook is None else zone.webhook,
        gpio=sinks.gpio if zone.gpio is None else zone.gpio,
    )


def _shared(sinks: SinkSettings) -> SinkSettings:
    return replace(
        sinks,
        mqtt="",
        mqtt_ca="",
        mqtt_cert="",
        mqtt_key="",
        snapshots="",
        command="",
        webhook="",
        gpio=(),
        on=(),
        after=(),
        snapshot_labels=(),
    )


def open_shared_sinks(
    chosen: RunSettings,
    endless: bool,
    gap: float = 0.0,
    editor: ZoneEditor | None = None,
    models: tuple[ModelIdentity, ...] = (),
) -> list[Sink]:
    """Open the sinks that get the observations of all zones.

    Args:
        chosen: all settings.
        endless: see ``Opening``.
        gap: longest time between two answers of a zone, in seconds; 0 if no source is live.
        editor: used by the page to change zones; None if they are fixed.
        models: the model files in use.

    Raises:
        SinkError: a sink cannot be opened.
    """
    own, zones = _shared(chosen.sinks), _names(chosen)
    return open_sinks(own, (), "", gap, endless=endless, zones=zones, editor=editor, models=models)


def _names(chosen: RunSettings) -> tuple[ZoneName, ...]:
    return tuple(ZoneName(zone.camera, zone.name) for zone in chosen.zones)


def open_zone_sinks(
    chosen: RunSettings, zone: ZoneSettings, classifier: Classifier, gap: float, control: ZoneControl | None = None
) -> list[Sink]:
    """Open the sinks that get only the observations of one zone; they may use ``control``.

    Raises:
        SinkError: a sink cannot be opened.
    """
    return open_sinks(
        own_sinks(chosen.sinks, zone),
        classifier.card.labels,
        classifier.path.name,
        gap,
        zone.decision.cooldown,
        familiarity=classifier.familiarity is not None,
        several_labels=classifier.card.has_several_labels,
        zones=_names(chosen),
        zone=ZoneName(zone.camera, zone.name),
        is_first=next(other for other in chosen.zones if other.camera == zone.camera).name == zone.name,
        control=control,
        page=page_url(chosen.sinks.web, secure=bool(chosen.sinks.web_cert)),
    )
