"""Options that the desktop commands share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

__all__ = ["cache_option", "config_option", "distribute_option", "interruptible", "verbose_option"]

_CLEAR = "\r\x1b[2K"  # erases the terminal's current line

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


@contextmanager
def interruptible(kept: Callable[[], str]) -> Iterator[None]:
    """On Ctrl-C, print what is kept and how to continue, and exit with status 130.

    Args:
        kept: returns the text that follows "Interrupted".
    """
    try:
        yield
    except KeyboardInterrupt:
        # Ctrl-C can leave a half-written progress bar on the line.
        is_drawn_on = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        click.echo(f"{_CLEAR if is_drawn_on else ''}Interrupted{kept()}", err=True)
        raise click.exceptions.Exit(130) from None


def distribute_option(what: str) -> Callable[[Any], Any]:
    """Return ``--distribute`` with the choices ``edgeclf_converters.distribution.WAYS``, not imported for --help.

    Args:
        what: the start of the help text, such as "Train".
    """
    choices = click.Choice(["none", "mirrored", "multi-worker"])
    text = f"{what} on all GPUs of this machine (mirrored) or on the machines listed in TF_CONFIG (multi-worker)."
    return click.option("--distribute", type=choices, default="none", show_default=True, help=text)
