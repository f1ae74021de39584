"""``edgeclf promote``."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from edgeclf_runtime.commands.interrupted import interruptible

__all__ = ["promote"]

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("new", type=_PATH, metavar="NEW")
@click.argument("old", type=_PATH, metavar="OLD")
@click.argument("data", type=_PATH, metavar="DATA")
@click.option(
    "--whole", is_flag=True, help="Treat DATA as uncropped camera images: rotate and crop them as each model file says."
)
def promote(new: Path, old: Path, data: Path, whole: bool) -> None:
    """Replace a model file, unless the new one is worse.

    Replaces OLD with NEW unless NEW is worse on DATA, and keeps the old file as OLD.before. NEW is a model file, or the
    folder of a training, whose int8 model is used. DATA has labelled images, as for edgeclf evaluate, that neither
    model was trained on. Devices that run with --reload switch to the new file.

    NEW is worse if the accuracy on the common classes is lower (the 95% interval of the difference is below 0), if one
    of these classes loses significantly, or if a class is missing. Then nothing is changed, and the exit status is 1.
    """
    from edgeclf.evaluation.evaluate import about_stale, model_file
    from edgeclf.evaluation.promotion import check_promotable, compare_files, put_in_place_of
    from edgeclf.progress import Terminal
    from edgeclf.runs.run import Run
    from edgeclf_runtime.system.plain_text import plain

    file = model_file(new)
    if new.is_dir() and (stale := about_stale(Run.open(new), file)):
        click.echo(f"Warning: {stale}", err=True)
    if not check_promotable(file, old):
        click.echo(f"{old}: is already the same model as {file}; nothing to do.")
        return
    with interruptible(lambda: f"; {old} was not changed. Start again with the same command."):
        comparison = compare_files(new, old, data, Terminal(), whole=whole)
    for line in comparison.lines():
        click.echo(plain(line))
    if comparison.losses:
        raise click.ClickException(f"{old} was not replaced, because {file} is worse.")
    kept = put_in_place_of(file, old)
    click.echo(f"{old} is replaced. Go back with: {shlex.join(['mv', str(kept), str(old)])}")
