"""``edgeclf demo``."""

from __future__ import annotations

from pathlib import Path

import click

from edgeclf_runtime.commands.interrupted import interruptible

__all__ = ["demo"]


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="New folder for the results.",
)
def demo(out: Path) -> None:
    """Train, export and run on handwritten digits, in minutes.

    Uses scikit-learn's handwritten digits, so it needs no photographs and no camera.
    """
    from edgeclf.demo import run_demo
    from edgeclf.progress import Terminal

    with interruptible(lambda: f"; {out} has the files finished so far. The same command starts again."):
        result = run_demo(out, Terminal())
    click.echo(f"{result.right} of {result.frames} video frames classified correctly; see {result.sheet}")
    click.echo("\nWith your own photographs in one sub-folder per class:")
    click.echo("  edgeclf train photos/ --out runs/mine")
    click.echo("  edgeclf export --int8 runs/mine -o model.tflite")
    click.echo("  edgeclf run model.tflite --source 0")
