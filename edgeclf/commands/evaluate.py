"""``edgeclf evaluate``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeclf_runtime.commands.options import Opener, model_argument, model_options

if TYPE_CHECKING:
    from edgeclf.measuring import Measurement

__all__ = ["evaluate"]


@click.command()
@model_argument
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@model_options
def evaluate(open_model: Opener, model: Path, data: Path, as_json: bool) -> None:
    """Measure a model file on DATA, a folder with one sub-folder of pictures per label.

    Of a folder divided into parts its test part is taken.
    """
    from edgeclf import evaluation
    from edgeclf.reporter import Terminal

    folder = evaluation.evaluation_folder(data)
    with open_model(model) as classifier:
        outcome = evaluation.evaluate(classifier, folder, Terminal())
    for item in outcome.skipped:
        click.echo(f"Skipped: {item.reason}", err=True)
    click.echo(_json(outcome) if as_json else _text(outcome, folder))


def _json(outcome: Measurement) -> str:
    content = {**asdict(outcome.score), "skipped": len(outcome.skipped), "milliseconds": outcome.milliseconds}
    return json.dumps(content, ensure_ascii=False)


def _text(outcome: Measurement, folder: Path) -> str:
    figures = outcome.score
    width = max(len(label) for label in figures.recall)
    lines = [f"{label:<{width}}  {recall:6.1%}" for label, recall in figures.recall.items()]
    interval = f"95% interval {figures.low:.1%} to {figures.high:.1%}"
    others = f"mean over classes {figures.balanced:.2%}; first five {figures.top5:.2%}"
    lines.append(
        f"{folder}: {figures.accuracy:.2%} of {figures.count} pictures right ({interval}); {others}; "
        f"{outcome.milliseconds:.1f} ms a picture"
    )
    return "\n".join(lines)
