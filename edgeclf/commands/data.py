"""``edgeclf data``."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["data"]

_PATH = click.Path(path_type=Path)


@click.group()
def data() -> None:
    """Check photographs before training, or pack them into shards."""


@data.command()
@click.argument("source", type=_PATH, nargs=-1, required=True)
@click.option("--out", type=_PATH, default=Path("check"), show_default=True, help="Folder of the report.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with every file instead of text.")
def check(source: tuple[Path, ...], out: Path, as_json: bool) -> None:
    """Find unreadable files, duplicates, doubtful labels and rare classes.

    SOURCE is what edgeclf train takes: one or more folders, CSV files or folders of shards. Writes check.html and
    check.json.
    """
    from edgeclf import datacheck
    from edgeclf.checkpage import write_check
    from edgeclf.computing import tensorflow_errors
    from edgeclf.errors import DataError
    from edgeclf.reporter import Terminal

    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: is a file, expected a folder for the report. Choose another --out.")
    with tensorflow_errors():
        found = datacheck.check(source, out, Terminal())
    page = write_check(found, out)
    click.echo(
        found.to_json() if as_json else f"{found.text()}\nReport with images: {page}; all files: {out / 'check.json'}"
    )


@data.command()
@click.argument("source", type=_PATH, nargs=-1, required=True)
@click.argument("out", type=_PATH)
@click.option("--per-shard", type=click.IntRange(min=1), default=1000, show_default=True, help="Images per shard.")
def shard(source: tuple[Path, ...], out: Path, per_shard: int) -> None:
    """Copy the images of SOURCE into TFRecord shards in OUT, a new folder that edgeclf train takes."""
    from edgeclf.dataset import Skipped
    from edgeclf.reporter import Terminal
    from edgeclf.sharding import write_shards
    from edgeclf_runtime.plaintext import counted, plain

    index = write_shards(source, out, per_shard, Terminal())
    for file, reason in index.skipped:
        click.echo(plain(f"Skipped: {Skipped(file, reason)}"), err=True)
    images, shards = counted(sum(index.counts), "image"), counted(len(index.shards), "shard")
    click.echo(f"Wrote {images} of {counted(len(index.labels), 'class', 'classes')} in {shards} to {out}")
    click.echo(f"Next: edgeclf train {out}")
