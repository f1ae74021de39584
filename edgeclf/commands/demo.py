"""``edgeclf demo``."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["demo"]


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("demo"), show_default=True, help="A new folder.")
def demo(out: Path) -> None:
    """Train, export and run on scikit-learn's handwritten digits: the whole way in a few minutes, without a camera."""
    from edgeclf.demo import run_demo
    from edgeclf.reporter import Terminal

    result = run_demo(out, Terminal())
    click.echo(f"{result.right} of {result.frames} frames of the film right; look at {result.sheet}")
    click.echo("\nWith your own photographs, one sub-folder per class:")
    click.echo("  edgeclf train photos/ --out runs/mine")
    click.echo("  edgeclf export --int8 runs/mine -o model.tflite")
    click.echo("  edgeclf run model.tflite --source 0")
