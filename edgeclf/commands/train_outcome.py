"""What ``edgeclf train`` prints at its end."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from edgeclf.runs.run import Run

__all__ = ["conclude", "what_is_kept"]


def what_is_kept(folder: Path) -> str:
    """Return what is kept in the run folder if training is interrupted outside of the epochs."""
    if not any((folder / name).exists() for name in ("config.toml", "config.json")):
        return "; nothing was written. Start again with the same command."
    resumed = f"Resume with: {shlex.join(['edgeclf', 'train', '--resume', str(folder)])}"
    if (folder / "state.npz").exists():
        return f". Kept the best epoch so far. {resumed}"
    if not (folder / "metrics.json").exists():
        return f" before the first epoch. {resumed}"
    report = shlex.join(["edgeclf", "report", str(folder)])
    return f". The training is finished and kept; write its report with: {report}"


def conclude(run: Run) -> None:
    """Print a run's figures, its report and the next command; if interrupted, exit with status 130."""
    from edgeclf_runtime.system.plain_text import counted

    metrics = run.read_json("metrics")
    for part in ("validation", "test"):
        if part in metrics and run.config.several_labels:
            mean, labels = metrics[part]["mean_average_precision"], len(metrics[part]["labels"])
            click.echo(
                f"{part}: mAP {mean:.1%} over {counted(labels, 'label')}, {counted(metrics[part]['count'], 'image')}"
            )
        elif part in metrics:
            figures = metrics[part]
            interval = f"95% interval {figures['low']:.1%} to {figures['high']:.1%}"
            click.echo(f"{part}: {figures['accuracy']:.1%} of {figures['count']} right ({interval})")
    if metrics["status"] == "interrupted":
        click.echo(f"Interrupted. Kept the best epoch so far. Resume with: edgeclf train --resume {run.path}")
    click.echo(f"Report: {run.path / 'report.html'}")
    click.echo(f"Next: edgeclf export --int8 {run.path}")
    if metrics["status"] == "interrupted":
        raise click.exceptions.Exit(130)
