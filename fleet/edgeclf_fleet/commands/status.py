"""``edgeclf fleet status``."""

from __future__ import annotations

import json

import click

from edgeclf_fleet.commands.targets import Targets, target_options

__all__ = ["status"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list.")
@click.option("--no-verify", is_flag=True, help="Leave out the golden check, which takes some seconds.")
@target_options
def status(targets: Targets, as_json: bool, no_verify: bool) -> None:
    """Show how devices are: their model, service, camera and disk.

    Exits with status 1 if a device cannot be asked or needs a look.
    """
    from edgeclf_fleet.survey import device_statuses, table

    devices = device_statuses(targets.run("status", {"edgeclf_verify": not no_verify}))
    if as_json:
        click.echo(json.dumps([device.as_dict() for device in devices]))
    else:
        click.echo("\n".join(table(devices)))
    if not all(device.is_well for device in devices):
        raise click.exceptions.Exit(1)
