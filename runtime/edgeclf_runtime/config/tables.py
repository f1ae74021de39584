"""Turn tables of run.toml into settings objects, and collect all mistakes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from edgeclf_runtime.errors import EdgeclfError
from edgeclf_runtime.renamed import KEYS, in_new_names, meant

__all__ = ["Reading", "unknown"]

_Kind = TypeVar("_Kind")
_OTHER_WORDS = {"from": "after", "to": "on"}
"""What other programs call keys of ours, to suggest them."""


@dataclass
class Reading:
    """The mistakes found so far while reading a file, and notices of old names."""

    wrong: list[str] = field(default_factory=list)
    renamed: list[str] = field(default_factory=list)

    def part(
        self,
        content: Mapping[str, Any],
        kind: type[_Kind],
        name: str,
        options: Mapping[str, Any] | None = None,
        table: str = "",
        others: Sequence[str] = (),
    ) -> _Kind | None:
        """Return the object for a table; if it is invalid, note a mistake and return None.

        Args:
            content: the table; keys in ``others`` are ignored.
            kind: a dataclass with defaults.
            name: name of the table, for errors.
            options: values that take precedence; None means not given.
            table: name of the table with the same old names, if different.
            others: further keys to suggest for an unknown one.
        """
        old_names = KEYS.get(table or name, {})
        content, notices, doubled = in_new_names({k: v for k, v in content.items() if k not in others}, old_names)
        self.renamed += [f"{name}.{notice}" for notice in notices]
        given = {key: value for key, value in (options or {}).items() if value is not None}
        values, mistakes = _typed({**content, **given}, kind, name, old_names, others)
        self.wrong += [f"{name}.{item}" for item in doubled] + mistakes
        try:
            return kind(**values)
        except EdgeclfError as error:
            text = str(error).rstrip(".")
            self.wrong.append(text if not table else f"{name}: {text}")
            return None


def _typed(
    table: Mapping[str, Any], kind: type[Any], name: str, old_names: Mapping[str, str], others: Sequence[str]
) -> tuple[dict[str, Any], list[str]]:
    hints, values, wrong = get_type_hints(kind), dict[str, Any](), list[str]()
    names = [item.name for item in fields(kind) if item.default is not MISSING or item.default_factory is not MISSING]
    secret = [item.name for item in fields(kind) if item.metadata.get("secret")]
    for key, value in table.items():
        if key not in names:
            wrong.append(f"{name}.{unknown(key, [*names, *others], old_names)}")
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
        try:
            return float(value)
        except OverflowError:
            raise TypeError("a smaller number") from None
    if type(value) is not hint:
        raise TypeError({str: "a text", int: "a whole number", float: "a number", bool: "true or false"}[hint])
    if hint is float and math.isnan(value):
        raise TypeError("a number")
    return value


def unknown(name: str, names: Sequence[str], renamed: Mapping[str, str]) -> str:
    """Return the error for an unknown key."""
    other = _OTHER_WORDS.get(name)
    near = other if other in names else meant(name, names, renamed)
    return f"{name}: unknown{f', did you mean {near}?' if near else ''}"
