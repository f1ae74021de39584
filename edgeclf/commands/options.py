"""Options that the desktop's commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

__all__ = ["config_option", "distribute_option"]

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="Read options from this TOML file (default: edgeclf.toml, if it exists).",
)


def distribute_option(what: str) -> Callable[[Any], Any]:
    """``--distribute``, one of ``edgeclf_converters.distribution.WAYS``, which is not imported for the help.

    Args:
        what: begins the help, such as "Train".
    """
    ways = click.Choice(["none", "mirrored", "multi-worker"])
    text = f"{what} on all GPUs of this machine (mirrored) or on the machines listed in TF_CONFIG (multi-worker)."
    return click.option("--distribute", type=ways, default="none", show_default=True, help=text)
