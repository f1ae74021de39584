"""A time on the command line, such as 90s, 10m or 2h."""

from __future__ import annotations

import re
from typing import Any

import click

__all__ = ["Duration"]

_TEXT = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)([smh]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}
_LONGEST = 86400


class Duration(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions of click alone
    """A time from one second to a day, in seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds."""
        match = _TEXT.fullmatch(str(value))
        seconds = float(match[1]) * _SECONDS[match[2]] if match else 0.0
        if not 1 <= seconds <= _LONGEST:
            self.fail(f"{value}: expected a time from 1s to 24h, such as 90s, 10m or 2h.", param, ctx)
        return seconds
