"""``edgeclf compare``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from edgeclf.commands.options import cache_option
from edgeclf.renamed import FLAG_VALUES, FLAGS
from edgeclf_runtime.commands.interrupted import interruptible
from edgeclf_runtime.commands.options import Command

__all__ = ["compare"]

_PATH = click.Path(path_type=Path)


def _numbers(lowest: int, highest: int) -> Callable[[click.Context, click.Parameter, str], tuple[int, ...]]:
    """Return a callback that reads whole numbers separated by commas."""

    def read(context: click.Context, parameter: click.Parameter, text: str) -> tuple[int, ...]:
        words = text.split(",")
        if not all(word.strip().isdecimal() and lowest <= int(word) <= highest for word in words):
            raise click.BadParameter(f"{text}: expected whole numbers from {lowest} to {highest}, such as 5,10.")
        return tuple(int(word) for word in words)

    return read


@click.command(cls=Command, renamed=FLAGS, renamed_values=FLAG_VALUES)
@click.argument("data", type=_PATH, nargs=-1, required=True)
@click.option(
    "--out",
    type=_PATH,
    default=Path("compare"),
    show_default=True,
    help="Folder of the comparison; resumes one that is in it.",
)
@click.option(
    "--methods", help="Methods, separated by commas: hog-svm, scratch, head, batch-norm, full (default: all)."
)
@click.option(
    "--percentages",
    callback=_numbers(1, 100),
    default="5,10,25,50,100",
    show_default=True,
    help="Percentages of the training images, separated by commas.",
)
@click.option(
    "--seeds",
    callback=_numbers(0, 2**31 - 1),
    default="0",
    show_default=True,
    help="Random seeds, separated by commas.",
)
@click.option("--epochs", type=int, help="Maximum number of fine-tuning epochs.")
@click.option("--backbone", help="Backbone (default: efficientnet-lite0).")
@click.option("--size", type=int, help="Input height and width in pixels (default: the backbone's).")
@click.option("--flip/--no-flip", default=None, help="Mirror training images at random.")
@cache_option
def compare(
    data: tuple[Path, ...],
    out: Path,
    methods: str | None,
    percentages: tuple[int, ...],
    seeds: tuple[int, ...],
    epochs: int | None,
    backbone: str | None,
    size: int | None,
    flip: bool | None,
    cache: Path | None,
) -> None:
    """Compare transfer learning, training from scratch and HOG.

    Trains each method on growing shares of the images in DATA. Finished results are kept: run the same command again to
    resume. Options in the table [train] of edgeclf.toml apply, too.
    """
    from edgeclf.comparison.compare import compare as begin
    from edgeclf.comparison.methods import METHODS
    from edgeclf.comparison.page import comparison_table
    from edgeclf.config.file import configure
    from edgeclf.config.tables import TrainTable
    from edgeclf.data.decoded_cache import using_cache
    from edgeclf.progress import Terminal

    given = {"epochs": epochs, "backbone": backbone, "size": size, "flip": flip}
    reporter = Terminal()
    options = {name: value for name, value in given.items() if value is not None}
    config = configure(TrainTable, options, None, reporter.say).config()
    chosen = tuple(METHODS) if methods is None else tuple(methods.split(","))
    with interruptible(lambda: _kept(out)), using_cache(cache, reporter.say):
        cells = begin(data, out, config, reporter, methods=chosen, percentages=percentages, seeds=seeds)
    click.echo(comparison_table(cells))
    click.echo(f"Page: {out / 'compare.html'}")


def _kept(out: Path) -> str:
    if (out / "cells.json").exists():
        return f". Finished results are kept in {out}; resume with the same command."
    return "; nothing is finished yet. Start again with the same command."
