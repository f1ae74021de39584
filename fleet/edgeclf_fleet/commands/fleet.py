"""``edgeclf fleet``: commands for deployed devices, each in its own module."""

from __future__ import annotations

import click

from edgeclf_fleet.commands.pull import pull
from edgeclf_fleet.commands.rollback import rollback
from edgeclf_fleet.commands.status import status

__all__ = ["fleet"]


@click.group()
def fleet() -> None:
    """Show the status of devices, copy snapshots, roll back."""


fleet.add_command(status)
fleet.add_command(pull)
fleet.add_command(rollback)
