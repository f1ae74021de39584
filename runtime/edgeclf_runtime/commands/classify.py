"""``edgeclf classify``."""

from __future__ import annotations

from pathlib import Path

import click

from edgeclf_runtime.commands.options import (
    Opener,
    json_option,
    model_argument,
    model_options,
    say_if_nothing_is_refused,
    top_option,
)
from edgeclf_runtime.errors import ImageError, SourceError
from edgeclf_runtime.formatting import answer_text, json_line, text_line
from edgeclf_runtime.prediction import Prediction
from edgeclf_runtime.system.native_lines import without_codec_lines

__all__ = ["classify"]


@click.command()
@model_argument
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    help='Answer "unknown" if the best score is lower (default: stored in the model; 0 turns it off).',
)
@click.option(
    "--reject",
    type=click.FloatRange(0, 1),
    help='Answer "unknown" for unfamiliar images; up to this share of familiar images may be refused, too (default: '
    "stored in the model; 0 turns it off).",
)
@click.option(
    "--whole",
    is_flag=True,
    help="Treat images as uncropped camera images: rotate and crop them as the model file says.",
)
@json_option
@top_option
@model_options
def classify(
    open_model: Opener,
    model: Path,
    images: tuple[Path, ...],
    threshold: float | None,
    reject: float | None,
    whole: bool,
    as_json: bool,
    top: int,
) -> None:
    """Classify image files and folders of images."""
    from edgeclf_runtime.decision.decision import DecisionRule

    rule, failed = DecisionRule(threshold, reject=reject), False
    with open_model(model) as classifier:
        say_if_nothing_is_refused(classifier, reject)
        if whole:
            classifier.card.check_view(str(model))
        for path in images:
            try:
                with without_codec_lines():
                    for prediction in classifier.stream(path, whole):
                        prediction = rule.applied(prediction)
                        click.echo(json_line(prediction, top) if as_json else _text(prediction, path, top))
            except (ImageError, SourceError) as error:
                click.echo(f"Error: {error}", err=True)
                failed = True
    if failed:
        raise click.exceptions.Exit(1)


def _text(prediction: Prediction, path: Path, top: int) -> str:
    """Format as ``edgeclf run`` does: "unknown" and the reason follow the name."""
    name = prediction.frame.source if prediction.frame else str(path)
    is_shown = prediction.reason or prediction.label_thresholds
    answer = f"  [{answer_text(prediction, prediction.answer, prediction.reason)}]" if is_shown else ""
    return text_line(prediction, f"{name}{answer}", top)
