"""Say what is kept when a command is interrupted."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Callable

import click

__all__ = ["interruptible"]

_CLEAR = "\r\x1b[2K"  # erases the terminal's current line


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
