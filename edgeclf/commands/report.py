"""``edgeclf report``."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from edgeclf_runtime.commands.interrupted import interruptible

__all__ = ["report"]

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("run", type=_PATH)
@click.option(
    "--tensorboard", type=_PATH, metavar="DIR", help="Also write the training history for TensorBoard to DIR."
)
def report(run: Path, tensorboard: Path | None) -> None:
    """Write the report of RUN, the folder of a training.

    Writes report.html and report.json into RUN.
    """
    from edgeclf.framework_errors import tensorflow_errors
    from edgeclf.progress import Terminal
    from edgeclf.reports.report import write_report
    from edgeclf.runs.run import Run

    opened = Run.open(run)
    kept = f"; the report in {run} is unchanged. Write it with: {shlex.join(['edgeclf', 'report', str(run)])}"
    with interruptible(lambda: kept), tensorflow_errors():
        page = write_report(opened, Terminal())
    if tensorboard is not None:
        from edgeclf.reports.tensorboard import write_events

        click.echo(f"Wrote {write_events(opened, tensorboard)}. View it with: tensorboard --logdir {tensorboard}")
    click.echo(f"Report: {page}")
