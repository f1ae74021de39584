"""``edgeclf verify``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from edgeclf_runtime.commands.options import Command, Opener, model_argument, model_options
from edgeclf_runtime.errors import ModelError
from edgeclf_runtime.renamed import FLAGS
from edgeclf_runtime.system.plain_text import counted

__all__ = ["verify"]


@click.command(cls=Command, renamed=FLAGS["verify"])
@model_argument
@click.option(
    "--allow-no-golden", is_flag=True, help="If the file has no golden images, only check that it opens and answers."
)
@model_options
def verify(open_model: Opener, model: Path, allow_no_golden: bool) -> None:
    """Check that MODEL still gives the scores of its export."""
    from edgeclf_runtime import verification

    with open_model(model) as classifier:
        if allow_no_golden and not classifier.golden:
            classifier.warm_up()
            click.echo(f"{model}: opens and answers, with {classifier.backend.name}; no golden images to compare.")
            return
        if sys.stderr is not None and sys.stderr.isatty():
            with click.progressbar(length=len(classifier.golden), label="Golden images", file=sys.stderr) as bar:
                report = verification.verify(classifier, bar.update)
        else:
            report = verification.verify(classifier)
        name = classifier.backend.name
    on = counted(report.count, "golden image")
    text = f"largest difference {report.worst:.4f} ({report.tolerance:.4f} allowed) on {on}"
    if not report.passed:
        top = "" if report.same_top1 else ", another class wins"
        raise ModelError(f"{model}: differs on this device with {name}: {text}{top}. Try another --backend.")
    click.echo(f"{model}: as exported, with {name}: {text}.")
