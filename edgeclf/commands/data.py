"""``edgeclf data``."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["data"]

_PATH = click.Path(path_type=Path)


@click.group()
def data() -> None:
    """Look at photographs before training, and pack them."""


@data.command()
@click.argument("source", type=_PATH, nargs=-1, required=True)
@click.option("--out", type=_PATH, default=Path("check"), show_default=True, help="The report's folder.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object with every file, in place of the text.")
def check(source: tuple[Path, ...], out: Path, as_json: bool) -> None:
    """Find unreadable files, copies, doubtful labels, rare classes and odd sizes in SOURCE.

    SOURCE is what train takes: a folder, a CSV or shards, or several. The report is check.html and check.json.
    """
    from edgeclf import datacheck
    from edgeclf.checkpage import write_check
    from edgeclf.computing import tensorflow_errors
    from edgeclf.errors import DataError
    from edgeclf.reporter import Terminal

    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: is a file; expected a folder for the report. Choose another --out.")
    with tensorflow_errors():
        found = datacheck.check(source, out, Terminal())
    page = write_check(found, out)
    click.echo(
        found.to_json() if as_json else f"{found.text()}\nWith pictures: {page}; all files: {out / 'check.json'}"
    )


@data.command()
@click.argument("source", type=_PATH, nargs=-1, required=True)
@click.argument("out", type=_PATH)
@click.option("--per-shard", type=click.IntRange(min=1), default=1000, show_default=True, help="Pictures in each.")
def shard(source: tuple[Path, ...], out: Path, per_shard: int) -> None:
    """Copy the pictures of SOURCE into TFRecord shards in the new folder OUT, which train takes like SOURCE."""
    from edgeclf.dataset import Skipped
    from edgeclf.reporter import Terminal
    from edgeclf.sharding import write_shards
    from edgeclf_runtime.plaintext import plain

    index = write_shards(source, out, per_shard, Terminal())
    for file, reason in index.skipped:
        click.echo(plain(f"Skipped: {Skipped(file, reason)}"), err=True)
    shards = f"{len(index.shards)} shard{'s' if len(index.shards) > 1 else ''}"
    click.echo(f"{sum(index.counts)} pictures of {len(index.labels)} classes in {shards}: {out}")
    click.echo(f"Next: edgeclf train {out}")
