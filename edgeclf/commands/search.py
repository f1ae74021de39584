"""``edgeclf search``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edgeclf.searchresult import SearchResult
    from edgeclf.settings import SearchConfig, TrainTable
    from edgeclf.sources import SourcePaths

__all__ = ["search"]

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("data", type=_PATH, nargs=-1)
@click.option("--budget-minutes", type=float, help="Of time for everything, 60 by default.")
@click.option("--latency-ms", type=float, help="At most so long for a picture, of the int8 file on this machine.")
@click.option("--trials", type=int, help="At most so many.")
@click.option("--backbone", "--backbones", "backbones", multiple=True, help="Only this one, or these; by default all.")
@click.option("--size", "--sizes", "sizes", type=int, multiple=True, help="Only this input size, or these.")
@click.option(
    "--adapt", "--adapts", "adapts", multiple=True, help="Only this, or these: what of the network is trained."
)
@click.option("--out", type=_PATH, default=Path("search"), show_default=True, help="Its folder; goes on in its own.")
@click.option("--config", type=_PATH, help="A TOML file of options; by default edgeclf.toml where there is one.")
def search(data: tuple[Path, ...], out: Path, config: Path | None, **options: Any) -> None:
    """Find the backbone, input size and training for DATA, judged by the accuracy and time of int8 files.

    How a trial is trained, apart from these, is said by the table [train] of the config file.
    """
    from edgeclf.reporter import Terminal
    from edgeclf.searching import search as begin
    from edgeclf.searchlog import require_optuna
    from edgeclf.searchpage import write_search
    from edgeclf_runtime.errors import UsageError

    reporter = Terminal()
    require_optuna()
    given = {name: value for name, value in options.items() if value not in (None, ())}
    settings, training = _options(config, given)
    chosen = data or training.data
    if chosen is None:
        raise UsageError("Give the folder of photographs.")
    result = begin(chosen, out, settings, training.config(), reporter)
    _conclude(result, write_search(result), chosen)


def _options(file: Path | None, given: dict[str, object]) -> tuple[SearchConfig, TrainTable]:
    from edgeclf.configfile import configure
    from edgeclf.reporter import Terminal
    from edgeclf.settings import SearchConfig, TrainTable

    say = Terminal().say
    return configure(SearchConfig, given, file, say), configure(TrainTable, {}, file, say)


def _conclude(result: SearchResult, page: Path, data: SourcePaths) -> None:
    from edgeclf.searchpage import search_table

    if result.outcomes:
        click.echo(search_table(result))
    click.echo(f"Accuracy and time in full: {page}")
    if result.interrupted:
        click.echo(f"Interrupted; all is kept. Go on: {_again(data, result)}, with the same options")
    best = result.best
    if best is not None:
        within = f" within {result.latency_ms:g} ms" if result.latency_ms else ""
        click.echo(
            f"Best{within}: {best.candidate.name}, int8 {best.accuracy:.1%}, {best.milliseconds:.2f} ms a picture"
        )
        click.echo(f"Next: {shlex.join(['edgeclf', 'run', str(result.model(best))])} --source 0")
    if result.interrupted:
        raise click.exceptions.Exit(130)
    if best is None:
        raise click.ClickException(_nothing(result))


def _again(data: SourcePaths, result: SearchResult) -> str:
    from edgeclf.sources import paths_of

    return shlex.join(["edgeclf", "search", *map(str, paths_of(data)), "--out", str(result.folder)])


def _nothing(result: SearchResult) -> str:
    if result.none_within_bound:
        return f"No int8 file within {result.latency_ms:g} ms; give a larger --latency-ms or a smaller --size."
    return "No trial came to an end; the reasons are above."
