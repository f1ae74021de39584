"""All settings of ``edgeclf run``, from a TOML file and from options, checked in one place."""

from __future__ import annotations

import logging
import math
import os
import sys
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from edgeclf_runtime.decision.decision import DecisionRule
from edgeclf_runtime.decision.gate import GateRule
from edgeclf_runtime.errors import EdgeclfError, UsageError
from edgeclf_runtime.renamed import KEYS, in_new_names, meant, old_fields
from edgeclf_runtime.sinks.calls import CallKeys
from edgeclf_runtime.sinks.conditions_file import ConditionsFileKeys
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
    MetricsKeys,
    MqttKeys,
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

    def folders(self) -> tuple[Path, ...]:
        """Return the absolute paths of all folders that are written to, each once."""
        folders = [path for kind in SINK_KINDS for path in kind.folders(self)]
        return tuple(dict.fromkeys(Path(os.path.normpath(path)) for path in folders))

    def values(self, mark: str) -> tuple[str, ...]:
        """Return the values that are set of keys marked ``"secret"`` or ``"carried"``."""
        return tuple(value for item in fields(self) if item.metadata.get(mark) and (value := getattr(self, item.name)))


SINK_KINDS: tuple[type[SinkKeys], ...] = SinkSettings.__bases__[::-1]
"""The kinds of sinks, in the order in which they are opened."""


@dataclass(frozen=True)
class RunSettings:
    """All settings, grouped as the tables of the TOML file.

    Attributes:
        source: as ``open_source`` takes it.
        reload: switch to a new model file when it replaces the one in use and passes its check.
        camera: the table ``[camera]``.
        decision, gate, sinks: the tables of those names.
    """

    source: str = field(default="0", repr=False)
    reload: bool = False
    camera: SourceOptions = field(default_factory=SourceOptions)
    decision: DecisionRule = field(default_factory=DecisionRule)
    gate: GateRule = field(default_factory=GateRule)
    sinks: SinkSettings = field(default_factory=SinkSettings)


TABLES: dict[str, type[Any]] = {
    "camera": SourceOptions,
    "decision": DecisionRule,
    "gate": GateRule,
    "sinks": SinkSettings,
}
"""The class for each table of the TOML file."""


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


def settings(content: Mapping[str, Any], given: Mapping[str, Mapping[str, Any]], where: str) -> RunSettings:
    """Check settings and return them.

    Args:
        content: content of the file.
        given: options by table, which take precedence over the file; None means not given.
        where: name of the file, for errors.

    Raises:
        UsageError: invalid settings; the message names all mistakes at once.
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
    secret = [item.name for item in fields(kind) if item.metadata.get("secret")]
    for key, value in table.items():
        if key not in names:
            wrong.append(f"{name}.{_unknown(key, names, KEYS.get(name, {}))}")
            continue
        if key == "web" and type(value) is int:  # a port, as for metrics
            value = str(value)
        try:
            values[key] = _as(value, hints[key])
        except TypeError as error:
            shown = "" if key in secret else f", got {value!r}"
            wrong.append(f"{name}.{key}: expected {error}{shown}")
    return values, wrong


def _as(value: Any, hint: Any) -> Any:
    """Convert a TOML value to the type of a field; raise TypeError with what was expected."""
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
