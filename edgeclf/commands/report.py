"""``edgeclf report``."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["report"]

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("run", type=_PATH)
@click.option("--tensorboard", type=_PATH, metavar="DIR", help="Write the history for TensorBoard into DIR, too.")
def report(run: Path, tensorboard: Path | None) -> None:
    """Write report.html and report.json into RUN, a training's folder."""
    from edgeclf.computing import tensorflow_errors
    from edgeclf.report import write_report
    from edgeclf.reporter import Terminal
    from edgeclf.run import Run

    opened = Run.open(run)
    with tensorflow_errors():
        page = write_report(opened, Terminal())
    if tensorboard is not None:
        from edgeclf.tensorboard import write_events

        click.echo(f"{write_events(opened, tensorboard)}: see it with: tensorboard --logdir {tensorboard}")
    click.echo(f"Report: {page}")
