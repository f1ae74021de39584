"""All settings of ``edgeclf run``, from a TOML file and from options, checked in one place."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Callable

from edgeclf_runtime.config.tables import Reading, unknown
from edgeclf_runtime.config.zone_tables import cameras_and_zones, has_zones
from edgeclf_runtime.config.zones import CameraSettings, ZoneSettings
from edgeclf_runtime.decision.decision import DecisionRule
from edgeclf_runtime.decision.gate import GateRule
from edgeclf_runtime.errors import UsageError
from edgeclf_runtime.renamed import KEYS, old_fields
from edgeclf_runtime.sinks.calls import CallKeys
from edgeclf_runtime.sinks.conditions_file import ConditionsFileKeys
from edgeclf_runtime.sinks.frame_tap import FrameTapKeys
from edgeclf_runtime.sinks.gpio import GpioKeys
from edgeclf_runtime.sinks.health_file import HealthFileKeys
from edgeclf_runtime.sinks.keys import SinkKeys
from edgeclf_runtime.sinks.lines import LineKeys
from edgeclf_runtime.sinks.metrics import MetricsKeys
from edgeclf_runtime.sinks.mqtt.keys import MqttKeys
from edgeclf_runtime.sinks.snapshots.keys import SnapshotKeys
from edgeclf_runtime.sinks.video.keys import VideoKeys
from edgeclf_runtime.sources.source import SourceOptions
from edgeclf_runtime.system.credentials import carried
from edgeclf_runtime.web.keys import PageKeys

__all__ = ["SINK_KINDS", "TABLES", "RunSettings", "SinkSettings", "read_settings", "settings"]

_log = logging.getLogger(__name__)


# The kinds of sinks: to add one, write its file and add a line here. Dataclasses collect fields from the last base.
@old_fields(KEYS["sinks"])
@dataclass(frozen=True)
class SinkSettings(
    PageKeys,
    ConditionsFileKeys,
    HealthFileKeys,
    FrameTapKeys,
    MetricsKeys,
    MqttKeys,
    GpioKeys,
    CallKeys,
    VideoKeys,
    SnapshotKeys,
    LineKeys,
):
    """The table ``[sinks]``: where observations go in addition to the terminal; an empty value turns a sink off."""

    def __post_init__(self) -> None:
        if wrong := [text for kind in SINK_KINDS for text in kind.mistakes(self)]:
            raise UsageError(f"Sinks: expected {'; '.join(wrong)}.")

    def recipients(self) -> tuple[str, ...]:
        """Return where observations are stored or sent, without passwords."""
        return tuple(name for kind in SINK_KINDS for name in kind.recipients(self))

    def devices(self) -> dict[str, str]:
        """Return the kernel devices in use, and their groups."""
        return {device: group for kind in SINK_KINDS for device, group in kind.devices(self).items()}

    def folders(self) -> tuple[Path, ...]:
        """Return the absolute paths of all folders that are written to, each once."""
        folders = [path for kind in SINK_KINDS for path in kind.folders(self)]
        return tuple(dict.fromkeys(Path(os.path.normpath(path)) for path in folders))

    def values(self, mark: str) -> tuple[str, ...]:
        """Return the values of all keys marked ``"secret"`` or ``"carried"`` that are set."""
        return tuple(value for item in fields(self) if item.metadata.get(mark) and (value := getattr(self, item.name)))


SINK_KINDS: tuple[type[SinkKeys], ...] = SinkSettings.__bases__[::-1]
"""The kinds of sinks, in the order in which they are opened."""


@dataclass(frozen=True)
class RunSettings:
    """All settings, grouped as the tables of the TOML file.

    Attributes:
        source: see ``open_source``.
        reload: switch to a new model file when it replaces the one in use and passes its check.
        camera: the table ``[camera]``.
        decision, gate, sinks: the tables of those names.
        cameras, zones: ``[[camera]]`` and ``[[zone]]``; empty in a run of one camera, which is described by ``source``,
            ``camera``, ``decision`` and ``gate``.
        trusted_key: path of a file of public keys; model files that none of them signed are refused. Empty for none.
        update: folder or https address to check for new models, which replace the command line's; empty for none.
        update_every: seconds between two checks; 0 for 3600 for an address and 10 for a folder.
        update_ca: file of the certificate authority trusted for it instead of the system's.
        page_zones: the file of zones drawn on the page; empty to disable drawing.
    """

    source: str = field(default="0", repr=False)
    reload: bool = False
    camera: SourceOptions = field(default_factory=SourceOptions)
    decision: DecisionRule = field(default_factory=DecisionRule)
    gate: GateRule = field(default_factory=GateRule)
    sinks: SinkSettings = field(default_factory=SinkSettings)
    cameras: tuple[CameraSettings, ...] = ()
    zones: tuple[ZoneSettings, ...] = ()
    trusted_key: str = ""
    update: str = ""
    update_every: float = 0.0
    update_ca: str = ""
    page_zones: str = ""


TABLES: dict[str, type[Any]] = {
    "camera": SourceOptions,
    "decision": DecisionRule,
    "gate": GateRule,
    "sinks": SinkSettings,
}
"""The class for each table of the TOML file."""

_UPDATE_KEYS: dict[str, Any] = {"trusted_key": "", "update": "", "update_every": 0.0, "update_ca": ""}

NOT_WITH_ZONES = ("video", "window")
"""Sinks that know one camera only."""


def read_settings(path: Path) -> dict[str, Any]:
    """Read a TOML file without checking its values.

    Raises:
        UsageError: it cannot be read.
    """
    if sys.version_info >= (3, 11):
        import tomllib as toml
    else:
        import tomli as toml
    try:
        content: dict[str, Any] = toml.loads(carried(path).read_text("utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file.") from None
    except (OSError, ValueError, RecursionError) as error:  # not TOML, not UTF-8, a number with thousands of digits
        raise UsageError(f"{path}: {error}.") from None
    return content


def settings(
    content: Mapping[str, Any],
    given: Mapping[str, Mapping[str, Any]],
    where: str,
    model: Path | None = None,
    labels: Callable[[Path], tuple[str, ...]] | None = None,
) -> RunSettings:
    """Check settings and return them.

    Args:
        content: content of the file.
        given: options by table, which take precedence over the file; None means not given.
        where: name of the file, for errors.
        model: the model for zones that name none.
        labels: reads the labels of a zone's model file; raises EdgeclfError if it cannot be used. None
            does not check them.

    Raises:
        UsageError: invalid settings; the message names all mistakes at once.
    """
    reading, zoned = Reading(), has_zones(content)
    names = ["source", "reload", "page_zones", *_UPDATE_KEYS, *TABLES, "zone"]
    reading.wrong += [unknown(name, names, {}) for name in content if name not in names]
    source = given.get("", {}).get("source") or content.get("source", "0")
    reload = given.get("", {}).get("reload") or content.get("reload", False)
    if type(reload) is not bool:
        reading.wrong.append(f"reload: expected true or false, got {reload!r}")
    above = {key: given.get("", {}).get(key) or content.get(key, default) for key, default in _UPDATE_KEYS.items()}
    reading.wrong += _update_mistakes(above)
    if type(page_zones := content.get("page_zones", "")) is not str:
        reading.wrong.append(f"page_zones: expected the name of a file, got {page_zones!r}")
    parts: dict[str, Any] = {"page_zones": page_zones}
    for name, kind in TABLES.items():
        table = content.get(name, {})
        if zoned and name != "sinks":
            continue
        if not isinstance(table, Mapping):
            reading.wrong.append(f"{name}: expected a table, [{name}]")
            continue
        parts[name] = reading.part(table, kind, name, given.get(name, {}))
    if zoned:
        cameras, zones = cameras_and_zones(content, given, model or Path(), labels, reading)
        parts.update(cameras=cameras, zones=zones)
        sinks = {**_table(content, "sinks"), **{k: v for k, v in given.get("sinks", {}).items() if v is not None}}
        reading.wrong += [f"sinks.{key}: not yet with [[zone]]" for key in NOT_WITH_ZONES if sinks.get(key)]
    if reading.wrong:
        raise UsageError(f"{where}: {'; '.join(reading.wrong)}." if where else f"{'; '.join(reading.wrong)}.")
    for notice in dict.fromkeys(reading.renamed):
        _log.warning("%s%s: rename it.", f"{where}: " if where else "", notice)
    return RunSettings(str(source), reload, **parts, **above)


def _table(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = content.get(name)
    return table if isinstance(table, Mapping) else {}


def _update_mistakes(given: Mapping[str, Any]) -> list[str]:
    """Return the errors in the keys for signed models and updates."""
    texts = ("trusted_key", "update", "update_ca")
    wrong = [f"{key}: expected a text, got {given[key]!r}" for key in texts if type(given[key]) is not str]
    every = given["update_every"]
    if type(every) not in (int, float) or not 0 <= every < 1e9:
        wrong.append(f"update_every: expected seconds, at least 0, got {every!r}")
    if given["update"] and not given["trusted_key"]:
        wrong.append("update: needs trusted_key, the public key that signs the updates")
    return wrong
