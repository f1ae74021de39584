"""Options that the desktop's commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

__all__ = ["distribute_option"]


def distribute_option(what: str) -> Callable[[Any], Any]:
    """``--distribute``, one of ``edgeclf_converters.distribution.WAYS``, which is not imported for the help.

    Args:
        what: begins the help, such as "Over".
    """
    ways = click.Choice(["none", "mirrored", "multi-worker"])
    text = f"{what} this machine's GPUs, or over the machines of TF_CONFIG."
    return click.option("--distribute", type=ways, default="none", help=text)
