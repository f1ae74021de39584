"""Accept old names of options and keys: a notice gives the new name; using both names is an error."""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Callable, TypeVar, cast

__all__ = [
    "FLAGS",
    "KEYS",
    "arguments_in_new_names",
    "in_new_names",
    "meant",
    "old_fields",
    "old_keywords",
    "warn_about",
]

KEYS: dict[str, dict[str, str]] = {
    "camera": {
        "stall": "stalled_after",
        "frozen": "frozen_after",
        "fast": "fast_decode",
        "least": "min_decoded_size",
    },
    "sinks": {"rotate": "rotate_bytes", "keep": "rotate_keep"},
}
"""New name by old one, by table of run.toml; also for the Python objects."""

FLAGS: dict[str, dict[str, str]] = {
    "run": {"--fast": "--fast-decode", "--smooth": "--smoothing"},
    "verify": {"--if-any": "--allow-no-golden"},
    "service install": {"--memory": "--memory-limit", "--print": "--dry-run"},
}
"""New name of an option by its old one, by command."""

_OURS = ("edgeclf", "edgeclf_converters", "edgeclf_runtime", "pydantic")

Names = Mapping[str, str]
_Call = TypeVar("_Call", bound=Callable[..., Any])
_Kind = TypeVar("_Kind")


def in_new_names(
    options: Mapping[str, Any], names: Names, values: Mapping[str, Names] | None = None
) -> tuple[dict[str, Any], list[str], list[str]]:
    """Rename options to their new names.

    Args:
        options: values by name.
        names: new option name by old name.
        values: new value by old value, by the option's new name.

    Returns:
        The options; a notice for each old name, such as "adapt is called tune now"; and an error for each option given
        by both names.
    """
    old = [name for name in options if name in names]
    done = {names.get(name, name): value for name, value in options.items()}
    notices = [f"{name} is called {names[name]} now" for name in old]
    for name, new_values in (values or {}).items():
        if name in done:
            done[name], old_values = _values(done[name], new_values)
            notices += [f"{name}: {value} is called {new_values[value]} now" for value in old_values]
    return done, notices, [_doubled(name, names[name]) for name in old if names[name] in options]


def arguments_in_new_names(
    words: Sequence[str], flags: Names, values: Mapping[str, Names] | None = None
) -> tuple[list[str], list[str], list[str]]:
    """Rename the options of a command line; their values may be lists separated by commas."""
    end = words.index("--") if "--" in words else len(words)
    done, notices, given, flag = list[str](), dict[str, None](), set[str](), ""
    for word in words[:end]:
        is_flag = word.startswith("--")
        old, equals, value = word.partition("=") if is_flag else (flag, "", word)
        flag = flags.get(old, old)
        if is_flag:
            given.add(old)
            notices |= {f"{old} is called {flag} now": None} if flag != old else {}
        pieces, old_values = _values(value.split(","), (values or {}).get(flag, {}))
        notices |= (
            {f"{flag}: {piece} is called {values[flag][piece]} now": None for piece in old_values} if values else {}
        )
        done.append(f"{flag}{equals}{','.join(pieces)}" if is_flag else ",".join(pieces))
        flag = flag if is_flag and not equals else ""
    wrong = [_doubled(old, flags[old]) for old in sorted(given) if old in flags and flags[old] in given]
    return [*done, *words[end:]], list(notices), wrong


def meant(name: str, choices: Iterable[str], names: Names) -> str:
    """Return the most similar of ``choices``, or the new name for a misspelt old one; empty if none is similar."""
    import difflib

    near = difflib.get_close_matches(name, [*choices, *names], n=1)
    return names.get(near[0], near[0]) if near else ""


def old_keywords(names: Names) -> Callable[[_Call], _Call]:
    """Make a function also accept old names of its keyword arguments.

    Args:
        names: new keyword by old keyword.
    """

    def decorated(call: _Call) -> _Call:
        @functools.wraps(call)
        def wrapper(*given: Any, **options: Any) -> Any:
            options, notices, wrong = in_new_names(options, names)
            if wrong:
                raise TypeError("; ".join(wrong))
            warn_about(notices)
            return call(*given, **options)

        return cast(_Call, wrapper)

    return decorated


def old_fields(names: Names) -> Callable[[type[_Kind]], type[_Kind]]:
    """Make a dataclass also accept and return its fields by their old names.

    Args:
        names: new field by old field.
    """

    def decorated(kind: type[_Kind]) -> type[_Kind]:
        kind.__init__ = old_keywords(names)(kind.__init__)  # type: ignore[method-assign]
        for old, new in names.items():
            setattr(kind, old, property(functools.partial(_read, old=old, new=new)))
        return kind

    return decorated


def _read(self: Any, old: str, new: str) -> Any:
    warn_about([f"{old} is called {new} now"])
    return getattr(self, new)


def warn_about(notices: Iterable[str]) -> None:
    """Emit a DeprecationWarning for each notice, at the line outside this project that used the name."""
    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in _OURS:
        level, frame = level + 1, frame.f_back
    for notice in notices:
        warnings.warn(f"{notice}.", DeprecationWarning, stacklevel=level)


def _doubled(old: str, new: str) -> str:
    return f"{old} is the old name of {new}, which is there, too (remove one)"


def _values(value: Any, new_values: Names) -> tuple[Any, list[str]]:
    """Return one or several values by their new names, and the old names found."""
    if isinstance(value, (list, tuple)):
        old_values = list(dict.fromkeys(item for item in value if isinstance(item, str) and item in new_values))
        return type(value)(new_values[item] if item in old_values else item for item in value), old_values
    old = isinstance(value, str) and value in new_values
    return (new_values[value], [value]) if old else (value, [])
