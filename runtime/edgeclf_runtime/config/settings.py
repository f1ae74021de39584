"""Everything ``edgeclf run`` can be told, from a TOML file and from options, checked in one place."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Optional, Union, get_args, get_origin, get_type_hints

from edgeclf_runtime.config.credentials import carried
from edgeclf_runtime.decision.decision import DecisionRule
from edgeclf_runtime.decision.gate import GateRule
from edgeclf_runtime.errors import EdgeclfError, UsageError
from edgeclf_runtime.renamed import KEYS, in_new_names, meant, old_fields
from edgeclf_runtime.sources.source import SourceOptions

__all__ = ["TABLES", "RunSettings", "SinkSettings", "read_settings", "settings"]

_log = logging.getLogger(__name__)


@old_fields(KEYS["sinks"])
@dataclass(frozen=True)
class SinkSettings:
    """Where observations go besides the terminal; an empty value turns each off.

    Attributes:
        jsonl, csv: files that are appended to, and begun anew after ``rotate_bytes`` with ``rotate_keep`` older ones
            kept; ``-`` for standard output.
        jsonl_every: "frame", or "change" of the answer; states in either case.
        snapshots: a folder for pictures, as the network saw them, that are uncertain, or of ``snapshot_labels``.
        snapshot_labels: ``["*"]`` for all.
        snapshot_uncertain: a score below which a picture is uncertain.
        snapshot_every: seconds between two, at least.
        snapshot_limit: pictures kept that nobody sorted; those that tell least go.
        snapshot_bytes_per_day: bytes written in 24 hours, at most; 0 for no bound.
        snapshot_free_bytes: left free on the disk; None for a tenth of it, at most 500 MB.
        snapshot_whole: keep the whole picture, too, where a part of it is classified.
        video: a folder for films with the answers on them, or a film's name, of which their names are made.
        video_segment: seconds of one of them.
        video_bytes: of all of them; the oldest go.
        window: show them on the screen.
        command, webhook: run and called whenever the answer changes to one of ``on`` (any, where that is empty).
        webhook_token: sent as a bearer token.
        mqtt_picture: whether MQTT gets the picture whenever the answer changes.
        mqtt: ``mqtt://user:password@host``; see ``sinks.mqtt.MqttOptions`` for ``mqtt_device`` (by default made of
            the machine's name and the service's) and ``mqtt_name``.
        mqtt_ca, mqtt_cert, mqtt_key: PEM files of authorities that are trusted in place of the system's, and of this
            device's own certificate and key.
        metrics: port for Prometheus; 0 for none.
        metrics_host: address it listens on.
        web: ``[HOST:]PORT`` of the page; 127.0.0.1 by default, and a token is asked for at any other address.
        web_token: that token; by default one from the environment, or one made up and printed at the start.
        web_cert, web_key: PEM files of the page's certificate and its key, for HTTPS.
    """

    jsonl: str = ""
    csv: str = ""
    jsonl_every: str = "frame"
    rotate_bytes: int = 10_000_000
    rotate_keep: int = 5
    snapshots: str = ""
    snapshot_labels: tuple[str, ...] = ()
    snapshot_uncertain: float = 0.6
    snapshot_every: float = 5.0
    snapshot_limit: int = 1000
    snapshot_bytes_per_day: int = 100_000_000
    snapshot_free_bytes: Optional[int] = None  # noqa: UP045  read at run time by settings, on Python 3.9 too
    snapshot_whole: bool = False
    video: str = ""
    video_segment: float = 60.0
    video_bytes: int = 1_000_000_000
    window: bool = False
    on: tuple[str, ...] = ()
    command: str = ""
    webhook: str = field(default="", repr=False)
    webhook_token: str = field(default="", repr=False)
    mqtt: str = field(default="", repr=False)
    mqtt_device: str = ""
    mqtt_name: str = "edgeclf"
    mqtt_picture: bool = True
    mqtt_ca: str = ""
    mqtt_cert: str = ""
    mqtt_key: str = ""
    metrics: int = 0
    metrics_host: str = "127.0.0.1"
    web: str = ""
    web_token: str = field(default="", repr=False)
    web_cert: str = ""
    web_key: str = ""

    def __post_init__(self) -> None:
        wrong = []
        if self.jsonl_every not in ("frame", "change"):
            wrong.append('jsonl_every "frame" or "change"')
        if self.rotate_bytes < 1000 or self.rotate_keep < 0:
            wrong.append("rotate_bytes at least 1000, rotate_keep at least 0")
        if self.snapshot_limit < 1 or self.snapshot_every < 0:
            wrong.append("snapshot_limit at least 1, snapshot_every at least 0")
        if self.snapshot_bytes_per_day < 0 or (self.snapshot_free_bytes or 0) < 0:
            wrong.append("snapshot_bytes_per_day and snapshot_free_bytes at least 0")
        if not 0 <= self.snapshot_uncertain <= 1:
            wrong.append("snapshot_uncertain within 0 to 1")
        if not 1 <= self.video_segment < math.inf or self.video_bytes < 100_000:
            wrong.append("video_segment at least 1 second, video_bytes at least 100000")
        if not 0 <= self.metrics <= 65535:
            wrong.append("metrics a port from 1 to 65535, or 0")
        if wrong:
            raise UsageError(f"Sinks: expected {'; '.join(wrong)}.")

    @property
    def recipients(self) -> tuple[str, ...]:
        """Where observations stay or are sent, without any password."""
        webhook, broker = self.webhook.partition("?")[0], self.mqtt.rpartition("@")[2]
        return self.jsonl, self.csv, self.snapshots, self.video, self.command, webhook, broker, self.mqtt_device


@dataclass(frozen=True)
class RunSettings:
    """All of it, by the tables of the TOML file.

    Attributes:
        source: what ``open_source`` opens.
        reload: go on with the model file that is put in the place of the one in use, when it is good.
        camera: the table ``[camera]``.
        decision, gate, sinks: the tables of those names.
    """

    source: str = field(default="0", repr=False)
    reload: bool = False
    camera: SourceOptions = field(default_factory=SourceOptions)
    decision: DecisionRule = field(default_factory=DecisionRule)
    gate: GateRule = field(default_factory=GateRule)
    sinks: SinkSettings = field(default_factory=SinkSettings)


_SECRET = ("mqtt", "webhook", "webhook_token", "web_token")

TABLES: dict[str, type[Any]] = {
    "camera": SourceOptions,
    "decision": DecisionRule,
    "gate": GateRule,
    "sinks": SinkSettings,
}
"""What each table of a TOML file becomes."""


def read_settings(path: Path) -> dict[str, Any]:
    """What a TOML file says, not yet checked.

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
    except (OSError, ValueError, RecursionError) as error:  # no TOML, no UTF-8, a number of thousands of digits
        raise UsageError(f"{path}: {error}.") from None
    return content


def settings(content: Mapping[str, Any], given: Mapping[str, Mapping[str, Any]], where: str) -> RunSettings:
    """The checked settings.

    Args:
        content: of the file.
        given: options by table, which go before the file's; those of None are left out.
        where: the file's name, for errors.

    Raises:
        UsageError: names every mistake at once.
    """
    wrong, renamed = list[str](), list[str]()
    names = ["source", "reload", *TABLES]
    wrong += [_unknown(name, names, {}) for name in content if name not in names]
    source = given.get("", {}).get("source") or content.get("source", "0")
    reload = given.get("", {}).get("reload") or content.get("reload", False)
    if type(reload) is not bool:
        wrong.append(f"reload: expected true or false, got {reload!r}")
    parts: dict[str, Any] = {}
    for name, kind in TABLES.items():
        table = content.get(name, {})
        if not isinstance(table, Mapping):
            wrong.append(f"{name}: expected a table, [{name}]")
            continue
        options = {key: value for key, value in given.get(name, {}).items() if value is not None}
        table, notices, doubled = in_new_names(table, KEYS.get(name, {}))
        renamed += [f"{name}.{notice}" for notice in notices]
        values, mistakes = _typed({**table, **options}, kind, name)
        wrong += [f"{name}.{item}" for item in doubled] + mistakes
        try:
            parts[name] = kind(**values)
        except EdgeclfError as error:
            wrong.append(str(error).rstrip("."))
    if wrong:
        raise UsageError(f"{where}: {'; '.join(wrong)}." if where else f"{'; '.join(wrong)}.")
    for notice in renamed:
        _log.warning("%s%s: rename it.", f"{where}: " if where else "", notice)
    return RunSettings(str(source), reload, **parts)


def _typed(table: Mapping[str, Any], kind: type[Any], name: str) -> tuple[dict[str, Any], list[str]]:
    hints, values, wrong = get_type_hints(kind), dict[str, Any](), list[str]()
    names = [item.name for item in fields(kind) if item.default is not MISSING or item.default_factory is not MISSING]
    for key, value in table.items():
        if key not in names:
            wrong.append(f"{name}.{_unknown(key, names, KEYS.get(name, {}))}")
            continue
        if key == "web" and type(value) is int:  # as metrics takes its port
            value = str(value)
        try:
            values[key] = _as(value, hints[key])
        except TypeError as error:
            shown = "" if key in _SECRET else f", got {value!r}"
            wrong.append(f"{name}.{key}: expected {error}{shown}")
    return values, wrong


def _as(value: Any, hint: Any) -> Any:
    """A TOML value as a field's type; raises TypeError with what was expected."""
    if get_origin(hint) is Union or type(hint).__name__ == "UnionType":
        hint = next(kind for kind in get_args(hint) if kind is not type(None))
    if get_origin(hint) is tuple:
        kinds = get_args(hint)
        if not isinstance(value, (list, tuple)) or (kinds[-1] is not Ellipsis and len(value) != len(kinds)):
            raise TypeError("a list" if kinds[-1] is Ellipsis else f"a list of {len(kinds)}")
        return tuple(_as(item, kinds[0]) for item in value)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise TypeError({str: "a text", int: "a whole number", float: "a number", bool: "true or false"}[hint])
    if hint is float and math.isnan(value):
        raise TypeError("a number")
    return value


def _unknown(name: str, names: list[str], renamed: Mapping[str, str]) -> str:
    near = meant(name, names, renamed)
    return f"{name}: unknown{f', did you mean {near}?' if near else ''}"
