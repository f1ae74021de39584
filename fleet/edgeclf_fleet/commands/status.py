"""``edgeclf fleet status``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edgeclf_fleet.commands.targets import Targets, target_options

__all__ = ["status"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list.")
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), help="Also write the table to this file, as a web page."
)
@click.option("--no-verify", is_flag=True, help="Skip the golden check, which takes some seconds.")
@target_options
def status(targets: Targets, as_json: bool, html: Path | None, no_verify: bool) -> None:
    """Show the status of devices: model, service, camera and disk.

    Exits with status 1 if a device cannot be reached or needs attention.
    """
    from edgeclf_fleet.survey import device_statuses, table
    from edgeclf_fleet.survey_page import survey_page
    from edgeclf_runtime.system.atomic_file import write_text

    devices = device_statuses(targets.run("status", {"edgeclf_verify": not no_verify}))
    if html is not None:
        write_text(html, survey_page(devices))
    if as_json:
        click.echo(json.dumps([device.as_dict() for device in devices]))
    else:
        click.echo("\n".join(table(devices)))
    if not all(device.is_well for device in devices):
        raise click.exceptions.Exit(1)
