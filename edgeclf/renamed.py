"""Old names of options on the command line, in edgeclf.toml and in Python, and their new names."""

from __future__ import annotations

__all__ = ["FLAGS", "FLAG_VALUES", "OPTIONS", "VALUES"]

OPTIONS = {
    "adapt": "tune",
    "adapts": "tunes",
    "own_size": "full_size_epochs",
    "turn": "rotate90",
    "fixed_stride": "freeze_stride",
    "fractions": "percentages",
}
"""New option name by old name."""

_TUNED = {"scale": "batch-norm"}
VALUES = {"tune": _TUNED, "tunes": _TUNED, "methods": _TUNED}
"""New value by old value, by option."""


def _flag(name: str, before: str = "--") -> str:
    return before + name.replace("_", "-")


FLAGS = {_flag(old, before): _flag(new, before) for old, new in OPTIONS.items() for before in ("--", "--no-")}
"""``OPTIONS`` as they are written on the command line."""

FLAG_VALUES = {_flag(name): values for name, values in VALUES.items()}
"""``VALUES`` as they are written on the command line."""
