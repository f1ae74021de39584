"""``edgeclf fleet``: commands for devices that are deployed. Each is a module of its own."""

from __future__ import annotations

import click

from edgeclf_fleet.commands.pull import pull
from edgeclf_fleet.commands.status import status

__all__ = ["fleet"]


@click.group()
def fleet() -> None:
    """See how the devices are, and bring their snapshots here."""


fleet.add_command(status)
fleet.add_command(pull)
