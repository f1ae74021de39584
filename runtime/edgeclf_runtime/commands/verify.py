"""``edgeclf verify``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Callable

import click

from edgeclf_runtime.commands.options import Command, Opener, model_argument, model_options, trusted_key_option
from edgeclf_runtime.errors import ModelError
from edgeclf_runtime.renamed import FLAGS
from edgeclf_runtime.system.plain_text import counted

__all__ = ["verify"]


@click.command(cls=Command, renamed=FLAGS["verify"])
@model_argument
@click.option(
    "--allow-no-golden", is_flag=True, help="If the file has no golden images, only check that it opens and works."
)
@trusted_key_option
@click.option(
    "--not-older-than",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Also refuse a model file that was signed before this one; repeat for several.",
)
@model_options
def verify(
    open_model: Opener, model: Path, allow_no_golden: bool, trusted_key: Path | None, not_older_than: tuple[Path, ...]
) -> None:
    """Check that MODEL still gives the scores of its export.

    With --trusted-key, check first who signed it.
    """
    from edgeclf_runtime import verification

    admit = _admission(trusted_key, not_older_than)
    with open_model(model, admit=admit) if admit else open_model(model) as classifier:
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
        top = "" if report.same_top1 else ", and another class has the best score"
        raise ModelError(f"{model}: differs on this device with {name}: {text}{top}. Try another --backend.")
    click.echo(f"{model}: as exported, with {name}: {text}.")


def _admission(trusted_key: Path | None, not_older_than: Sequence[Path]) -> Callable[[Path, bytes], None] | None:
    """Return the function that checks signatures; None if none is requested."""
    from edgeclf_runtime.errors import UsageError
    from edgeclf_runtime.trust.admission import check_not_older
    from edgeclf_runtime.trust.keys import TrustedKeys
    from edgeclf_runtime.trust.sealing import split

    if trusted_key is None:
        if not_older_than:
            raise UsageError("--not-older-than needs --trusted-key.")
        return None
    keys = TrustedKeys(trusted_key)
    others = [split(path.read_bytes())[1] for path in not_older_than]
    newest = max((other.version for other in others if other is not None), default=0)

    def admit(path: Path, content: bytes) -> None:
        check_not_older(path, keys.check(path, content), newest)

    return admit
