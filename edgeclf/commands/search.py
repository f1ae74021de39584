"""``edgeclf search``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeclf.commands.options import cache_option, config_option
from edgeclf.renamed import FLAG_VALUES, FLAGS
from edgeclf_runtime.commands.interrupted import interruptible
from edgeclf_runtime.commands.options import Command

if TYPE_CHECKING:
    from edgeclf.config.tables import SearchConfig, TrainTable
    from edgeclf.data.sources import SourcePaths
    from edgeclf.searching.result import SearchResult

__all__ = ["search"]

_PATH = click.Path(path_type=Path)


@click.command(cls=Command, renamed=FLAGS, renamed_values=FLAG_VALUES)
@click.argument("data", type=_PATH, nargs=-1)
@click.option("--budget-minutes", type=float, help="Time budget of the whole search, in minutes (default: 60).")
@click.option("--latency-ms", type=float, help="Maximum latency per image of the int8 model on this machine, in ms.")
@click.option("--trials", type=int, help="Stop after this many trials.")
@click.option(
    "--backbone",
    "--backbones",
    "backbones",
    multiple=True,
    help="Backbone to try; repeat for several (default: all that need no --weights).",
)
@click.option(
    "--size", "--sizes", "sizes", type=int, multiple=True, help="Input size to try, in pixels; repeat for several."
)
@click.option(
    "--tune",
    "--tunes",
    "tunes",
    multiple=True,
    type=click.Choice(["full", "batch-norm", "head"]),
    help="What to train; repeat for several (default: all).",
)
@click.option(
    "--out",
    type=_PATH,
    default=Path("search"),
    show_default=True,
    help="Folder of the search; resumes a search that is in it.",
)
@config_option
@cache_option
def search(data: tuple[Path, ...], out: Path, config: Path | None, cache: Path | None, **options: Any) -> None:
    """Find the best backbone, input size and --tune for DATA.

    Trains and exports one candidate after another within the time budget and compares the accuracy and latency of
    their int8 models. All other training options come from the table [train] of the config file.
    """
    from edgeclf.data.decoded_cache import using_cache
    from edgeclf.progress import Terminal
    from edgeclf.searching.page import write_search
    from edgeclf.searching.search import search as begin
    from edgeclf.searching.study import require_optuna
    from edgeclf_runtime.errors import UsageError

    reporter = Terminal()
    require_optuna()
    given = {name: value for name, value in options.items() if value not in (None, ())}
    settings, training = _options(config, given)
    chosen = data or training.data
    if chosen is None:
        raise UsageError("Give DATA, the folder of photographs.")
    nothing = "; nothing is finished yet. Start again with the same command."
    with interruptible(lambda: nothing), using_cache(cache, reporter.say):
        result = begin(chosen, out, settings, training.config(), reporter)
    _conclude(result, write_search(result), chosen)


def _options(file: Path | None, given: dict[str, object]) -> tuple[SearchConfig, TrainTable]:
    from edgeclf.config.file import configure
    from edgeclf.config.tables import SearchConfig, TrainTable
    from edgeclf.progress import Terminal

    say = Terminal().say
    return configure(SearchConfig, given, file, say), configure(TrainTable, {}, file, say)


def _conclude(result: SearchResult, page: Path, data: SourcePaths) -> None:
    from edgeclf.searching.page import search_table

    if result.outcomes:
        click.echo(search_table(result))
    if result.not_tried:
        click.echo(result.not_tried)
    click.echo(f"Full results: {page}")
    if result.interrupted:
        click.echo(f"Interrupted. Everything finished is kept. Resume with the same options: {_again(data, result)}")
    best = result.best
    if best is not None:
        within = f" within {result.latency_ms:g} ms" if result.latency_ms else ""
        click.echo(f"Best{within}: {best.candidate.name}")
        click.echo(f"Next: {shlex.join(['edgeclf', 'run', str(result.model(best))])} --source 0")
    if result.interrupted:
        raise click.exceptions.Exit(130)
    if best is None:
        raise click.ClickException(_nothing(result))


def _again(data: SourcePaths, result: SearchResult) -> str:
    from edgeclf.data.sources import paths_of

    return shlex.join(["edgeclf", "search", *map(str, paths_of(data)), "--out", str(result.folder)])


def _nothing(result: SearchResult) -> str:
    if result.none_within_bound:
        return f"No int8 model is within {result.latency_ms:g} ms. Raise --latency-ms or try a smaller --size."
    return "No trial was completed; the reasons are listed above."
