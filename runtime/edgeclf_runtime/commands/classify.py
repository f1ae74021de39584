"""``edgeclf classify``."""

from __future__ import annotations

from pathlib import Path

import click

from edgeclf_runtime.commands.options import Opener, json_option, model_argument, model_options, top_option
from edgeclf_runtime.errors import ImageError, SourceError
from edgeclf_runtime.lines import json_line, text_line

__all__ = ["classify"]


@click.command()
@model_argument
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
@top_option
@model_options
def classify(open_model: Opener, model: Path, images: tuple[Path, ...], as_json: bool, top: int) -> None:
    """Classify pictures, and all pictures in folders."""
    failed = False
    with open_model(model) as classifier:
        for path in images:
            try:
                for prediction in classifier.stream(path):
                    name = prediction.frame.source if prediction.frame else str(path)
                    click.echo(json_line(prediction, top) if as_json else text_line(prediction, name, top))
            except (ImageError, SourceError) as error:
                click.echo(f"Error: {error}", err=True)
                failed = True
    if failed:
        raise click.exceptions.Exit(1)
