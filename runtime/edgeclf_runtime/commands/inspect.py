"""``edgeclf inspect``."""

from __future__ import annotations

import click

__all__ = ["inspect"]


@click.command()
def inspect() -> None:
    """Show what a model file says of itself."""
