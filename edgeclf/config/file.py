"""Read a command's options from edgeclf.toml: they override the defaults, and flags override them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from edgeclf.config.options import mistakes
from edgeclf.config.tables import ExportConfig, SearchConfig, TrainTable
from edgeclf.config.train import TrainConfig
from edgeclf.errors import ConfigError
from edgeclf.renamed import OPTIONS, VALUES
from edgeclf_runtime.renamed import in_new_names, meant

__all__ = ["DEFAULT_FILE", "TABLES", "config_text", "configure"]

DEFAULT_FILE = Path("edgeclf.toml")

TABLES: dict[str, type[BaseModel]] = {"train": TrainTable, "export": ExportConfig, "search": SearchConfig}

_HEAD = "# Every option of this training."
_Table = TypeVar("_Table", bound=BaseModel)


def configure(
    kind: type[_Table], flags: Mapping[str, object], path: Path | None, say: Callable[[str], None] | None = None
) -> _Table:
    """Return the options of one table: flags override the file, and the file overrides the defaults.

    Args:
        kind: a value of ``TABLES``.
        flags: flags given on the command line, by option name.
        path: a config file; None takes ``edgeclf.toml`` in the current folder if there is one.
        say: called with notes on which file was used for which options.

    Returns:
        the options. A relative path in the file is relative to the file's folder.

    Raises:
        ConfigError: the file is missing or not TOML, or options are wrong; names every mistake in file and flags.
    """
    path = path or (DEFAULT_FILE if DEFAULT_FILE.is_file() else None)
    given = _read(path) if path else {}
    if path and _is_of_a_run(path) and isinstance(given.get("train"), dict):
        given["train"].setdefault("jpeg", "full")  # as all trainings did before this option existed
    content, notices, wrong = _in_new_names(given)
    wrong = [f"{path}: {item}" for item in (*wrong, *(item for table in content.items() for item in _in_table(*table)))]
    wrong += [f"--{name.replace('_', '-')}: {item}" for name, item in _in_flags(kind, flags)]
    if not wrong:
        name = next(name for name, other in TABLES.items() if other is kind)
        file_options = _values(kind, content.get(name, {}), path)
        try:
            done = kind.model_validate({**file_options, **flags})
        except ValidationError as error:  # each option is valid, but not their combination
            wrong = [": ".join(filter(None, item)) for item in mistakes(error)]
    if wrong:
        raise ConfigError(f"Options: {'; '.join(wrong)}.")
    if file_options and say is not None:
        for notice in notices.get(name, ()) if path and not _is_of_a_run(path) else ():
            say(f"{path}: {notice}: rename it.")
        say(f"Options of [{name}] from {path}: {', '.join(file_options)}.")
    return done


def config_text(data: Path | Sequence[Path], config: TrainConfig) -> str:
    """Return a config file that repeats a training: every option that is not None, as it was used."""
    import tomli_w

    options = config.model_dump(mode="json", exclude_none=True)
    if config.weights is not None:
        options["weights"] = str(_absolute(config.weights))
    if config.from_run is not None:
        options["from_run"] = str(_absolute(config.from_run))
    if config.whole_sources:
        options["whole"] = [str(path.resolve()) for path in config.whole_sources]
    sources = [str(data)] if isinstance(data, Path) else [str(source) for source in data]
    text = tomli_w.dumps({"train": {"data": sources if len(sources) > 1 else sources[0], **options}})
    return f"{_HEAD} To repeat it: edgeclf train --config THIS_FILE\n{text}"


def _is_of_a_run(path: Path) -> bool:
    """Return whether ``config_text`` wrote the file: users are not asked to rename options in such files."""
    return path.read_text("utf-8").startswith(_HEAD)


def _read(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such config file.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: cannot be read as TOML ({error}).") from None


def _in_new_names(content: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, list[str]], list[str]]:
    """Return the tables with new option names, notices of old names by table, and options given by both names."""
    done, notices, wrong = dict(content), dict[str, list[str]](), list[str]()
    for table, kind in TABLES.items():
        if isinstance(content.get(table), dict):
            names = {old: new for old, new in OPTIONS.items() if new in kind.model_fields}
            done[table], renamed, doubled = in_new_names(content[table], names, VALUES)
            notices[table] = [f"{table}.{notice}" for notice in renamed]
            wrong += [f"{table}.{item}" for item in doubled]
    return done, notices, wrong


def _in_table(name: str, value: object) -> list[str]:
    """Return every mistake in one table of the file."""
    if name not in TABLES:
        owners = [table for table, kind in TABLES.items() if OPTIONS.get(name, name) in kind.model_fields]
        if owners:
            return [f"{name}: is outside any table; move it under [{owners[0]}]"]
        return [f"{name}: no such table{_near(name, list(TABLES)) or f'; there are {_listed(TABLES)}'}"]
    if not isinstance(value, dict):
        return [f"{name}: is a table; write [{name}] with its options below"]
    kind = TABLES[name]
    return [f"{name}.{key}: {_unknown(name, key)}" for key in value if key not in kind.model_fields] + [
        f"{'.'.join(filter(None, (name, key)))}: {text}" for key, text in _in_values(kind, value)
    ]


def _unknown(table: str, key: str) -> str:
    if near := _near(OPTIONS.get(key, key), list(TABLES[table].model_fields)):
        return f"no such option{near}"
    owners = [name for name, kind in TABLES.items() if OPTIONS.get(key, key) in kind.model_fields]
    return f"no such option{f'; it belongs in [{owners[0]}]' if owners else ''}"


def _near(name: str, names: list[str]) -> str:
    near = meant(name, names, {old: new for old, new in OPTIONS.items() if new in names})
    return f"; did you mean {near}?" if near else ""


def _listed(names: Mapping[str, object]) -> str:
    return ", ".join(f"[{name}]" for name in names)


def _in_values(kind: type[BaseModel], table: Mapping[str, object]) -> list[tuple[str, str]]:
    try:
        _checked(kind, table)
    except ValidationError as error:
        return mistakes(error)
    return []


def _in_flags(kind: type[BaseModel], flags: Mapping[str, object]) -> list[tuple[str, str]]:
    """Check each flag by itself; combinations can only be checked together with the file's options."""
    try:
        kind.model_validate(flags)
    except ValidationError as error:
        return [(name, text) for name, text in mistakes(error) if name]
    return []


def _checked(kind: type[_Table], table: Mapping[str, object]) -> _Table:
    """Check a table's known options as JSON: this rejects a quoted number, but accepts a string as a path."""
    options = {key: value for key, value in table.items() if key in kind.model_fields}
    return kind.model_validate_json(json.dumps(options, default=str), strict=True)


def _values(kind: type[BaseModel], table: Mapping[str, object], path: Path | None) -> dict[str, object]:
    done = _checked(kind, table)
    values = {key: getattr(done, key) for key in table}
    folder = path.parent if path else Path()
    return {key: _below(folder, value) for key, value in values.items()}


def _below(folder: Path, value: object) -> object:
    """Make a relative path, or each of several, absolute."""
    if isinstance(value, tuple) and all(isinstance(item, Path) for item in value):
        return tuple(_below(folder, item) for item in value)
    return _absolute(folder / value) if isinstance(value, Path) else value


def _absolute(path: Path) -> Path:
    """Return the path without ``.`` and ``..``, to compare it; links are kept: targets may have other suffixes."""
    return Path(os.path.abspath(path))
