"""Options that the desktop commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

__all__ = ["cache_option", "config_option", "distribute_option", "verbose_option"]

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="Read options from this TOML file (default: edgeclf.toml, if it exists).",
)


cache_option = click.option(
    "--cache",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Keep decoded images in DIR, up to 20 GB, so that the next run on them starts at once (default: off).",
)


verbose_option = click.option("--verbose", is_flag=True, help="Print more details.")


def distribute_option(what: str) -> Callable[[Any], Any]:
    """Return ``--distribute`` with the choices ``edgeclf_converters.distribution.WAYS``, not imported for --help.

    Args:
        what: the start of the help text, such as "Train".
    """
    choices = click.Choice(["none", "mirrored", "multi-worker"])
    text = f"{what} on all GPUs of this machine (mirrored) or on the machines listed in TF_CONFIG (multi-worker)."
    return click.option("--distribute", type=choices, default="none", show_default=True, help=text)
