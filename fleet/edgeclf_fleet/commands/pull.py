"""``edgeclf fleet pull``."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from edgeclf_fleet.commands.targets import Targets, target_options

__all__ = ["pull"]


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder to copy the images to.",
)
@click.option(
    "--max-images",
    type=click.IntRange(1),
    default=1000,
    show_default=True,
    help="Maximum number of images to copy from each device.",
)
@click.option(
    "--max-mb",
    type=click.FloatRange(0, min_open=True),
    default=500,
    show_default=True,
    help="Maximum number of megabytes to copy from each device.",
)
@click.option(
    "--snapshots", metavar="PATH", help="Folder of the snapshots on the devices (default: the one in run.toml)."
)
@target_options
def pull(targets: Targets, output: Path, max_images: int, max_mb: float, snapshots: str | None) -> None:
    """Copy the devices' new snapshots here, to sort them.

    An image is copied only once, even if it has been sorted or discarded since. Near-duplicates of earlier images are
    left out. After a lost connection, run the same command to continue.
    """
    from edgeclf_fleet.events import outcomes
    from edgeclf_fleet.snapshot_store import SnapshotStore
    from edgeclf_runtime.system.plain_text import counted

    targets.check()
    with SnapshotStore(output) as store:
        adopted = store.adopt()  # left by a killed command
        variables = {"into": str(output.absolute()), "max_images": max_images, "max_mb": max_mb}
        named = {f"edgeclf_{'pull_' * (name == 'into')}{name}": value for name, value in variables.items()}
        try:
            ended = outcomes(targets.run("pull", {**named, "edgeclf_snapshots": snapshots}))
        finally:
            adopted += store.adopt()
    for outcome in ended:
        click.echo(f"{outcome.host}: {outcome.text}", err=not outcome.ok)
    parts = [counted(adopted.new, "new image")]
    parts += [f"{adopted.copies} left out as near-duplicates"] * (adopted.copies > 0)
    parts += [f"{counted(adopted.damaged, 'damaged file')} left out"] * (adopted.damaged > 0)
    click.echo(f"{output}: {'; '.join(parts)}")
    if adopted.new:
        click.echo(f"Next: edgeclf sort {shlex.quote(str(output))} --into photos")
    if not all(outcome.ok for outcome in ended):
        raise click.exceptions.Exit(1)
