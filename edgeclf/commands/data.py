"""``edgeclf data``."""

from __future__ import annotations

from pathlib import Path

import click

from edgeclf_runtime.commands.interrupted import interruptible

__all__ = ["data"]

_AGAIN = "Start again with the same command."
_PATH = click.Path(path_type=Path)


@click.group()
def data() -> None:
    """Check photographs before training, or pack them into shards."""


@data.command()
@click.argument("source", type=_PATH, nargs=-1, required=True)
@click.option("--out", type=_PATH, default=Path("check"), show_default=True, help="Folder of the report.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with every file instead of text.")
def check(source: tuple[Path, ...], out: Path, as_json: bool) -> None:
    """Find unreadable files, duplicates, doubtful labels, rare classes.

    SOURCE is what edgeclf train takes: one or more folders, CSV files or folders of shards. Writes check.html and
    check.json.
    """
    from edgeclf.datacheck.check import check as check_data
    from edgeclf.datacheck.page import write_check
    from edgeclf.errors import DataError
    from edgeclf.framework_errors import tensorflow_errors
    from edgeclf.progress import Terminal
    from edgeclf_runtime.system.native_lines import without_codec_lines

    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: is a file, expected a folder for the report. Choose another --out.")
    reporter = Terminal()
    with interruptible(lambda: f"; no report was written to {out}. {_AGAIN}"), tensorflow_errors():
        result = check_data(source, out, reporter)
        with without_codec_lines(), reporter.bar("Writing the report", 0):
            page = write_check(result, out)
    click.echo(
        result.to_json() if as_json else f"{result.text()}\nReport with images: {page}; all files: {out / 'check.json'}"
    )


@data.command()
@click.argument("source", type=_PATH, nargs=-1, required=True)
@click.argument("out", type=_PATH)
@click.option("--per-shard", type=click.IntRange(min=1), default=1000, show_default=True, help="Images per shard.")
def shard(source: tuple[Path, ...], out: Path, per_shard: int) -> None:
    """Copy the images of SOURCE into TFRecord shards.

    OUT is a new folder, which edgeclf train accepts as a source.
    """
    from edgeclf.data.dataset import Skipped
    from edgeclf.data.shard_writer import write_shards
    from edgeclf.progress import Terminal
    from edgeclf_runtime.system.plain_text import counted, plain

    with interruptible(lambda: f"; {out} was not written. {_AGAIN}"):
        index = write_shards(source, out, per_shard, Terminal())
    for file, reason in index.skipped:
        click.echo(plain(f"Skipped: {Skipped(file, reason)}"), err=True)
    images, shards = counted(sum(index.counts), "image"), counted(len(index.shards), "shard")
    click.echo(f"Wrote {images} of {counted(len(index.labels), 'class', 'classes')} in {shards} to {out}")
    click.echo(f"Next: edgeclf train {out}")
