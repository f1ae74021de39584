"""``edgeclf run``."""

from __future__ import annotations

import itertools
from contextlib import closing
from pathlib import Path

import click

from edgeclf_runtime.commands.lines import json_line, text_line
from edgeclf_runtime.commands.options import Opener, json_option, model_argument, model_options, top_option

__all__ = ["run"]


@click.command()
@model_argument
@click.option("--source", default="0", show_default=True, help="Camera number or device, video, pictures, or address.")
@click.option("--max-frames", type=click.IntRange(1), help="Stop after so many.")
@json_option
@top_option
@model_options
def run(open_model: Opener, model: Path, source: str, max_frames: int | None, as_json: bool, top: int) -> None:
    """Classify the frames of a camera, video, folder or stream until it ends or Ctrl-C."""
    with open_model(model) as classifier, closing(classifier.stream(source)) as predictions:
        shown = f"{classifier.backend.name} ({classifier.backend.reason})"
        click.echo(f"{model}: {len(classifier.card.labels)} labels; backend {shown}; source {_shown(source)}", err=True)
        for prediction in itertools.islice(predictions, max_frames):
            frame = prediction.frame
            name = f"{frame.number:6}" if frame else ""
            click.echo(json_line(prediction, top) if as_json else text_line(prediction, name, top))


def _shown(source: str) -> str:
    if "://" not in source:
        return source
    from edgeclf_runtime.sources.stream import without_password

    return without_password(source)
