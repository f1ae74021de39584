"""What options were called before, on the command line, in edgeclf.toml and in Python, and what they are called now."""

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
"""New name by old one."""

_TUNED = {"scale": "batch-norm"}
VALUES = {"tune": _TUNED, "tunes": _TUNED, "methods": _TUNED}
"""The same of values, by option."""


def _flag(name: str, before: str = "--") -> str:
    return before + name.replace("_", "-")


FLAGS = {_flag(old, before): _flag(new, before) for old, new in OPTIONS.items() for before in ("--", "--no-")}
"""Of ``OPTIONS``, as they are written on the command line."""

FLAG_VALUES = {_flag(name): values for name, values in VALUES.items()}
"""Of ``VALUES``."""
