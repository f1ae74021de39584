"""Options that the desktop's commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

__all__ = ["distribute_option"]


def distribute_option(what: str) -> Callable[[Any], Any]:
    """``--distribute``, one of ``edgeclf_converters.distribution.WAYS``, which is not imported for the help.

    Args:
        what: begins the help, such as "Train".
    """
    ways = click.Choice(["none", "mirrored", "multi-worker"])
    text = f"{what} on all GPUs of this machine (mirrored) or on the machines listed in TF_CONFIG (multi-worker)."
    return click.option("--distribute", type=ways, default="none", show_default=True, help=text)
