"""``edgeclf background``."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import click

from edgeclf_runtime.commands.interrupted import interruptible
from edgeclf_runtime.commands.options import (
    Opener,
    insecure_option,
    model_argument,
    model_options,
    region_option,
    size_option,
    turn_options,
)
from edgeclf_runtime.errors import ModelError
from edgeclf_runtime.pictures.view import Region, View

if TYPE_CHECKING:
    from edgeclf_runtime.frame import Frame
    from edgeclf_runtime.sources import Source

__all__ = ["background"]


@click.command()
@model_argument
@click.option("--source", default="0", show_default=True, help="Camera, csi, video, folder or address.")
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    default=10.0,
    show_default=True,
    help="How long to watch the scene, in the camera's or video's own time.",
)
@click.option("--add", is_flag=True, help="Keep scenes that were learned before, such as the same scene by day.")
@click.option("--out", type=click.Path(path_type=Path), help="Model file to write (default: replace MODEL when done).")
@size_option
@turn_options
@region_option
@insecure_option
@model_options
def background(
    open_model: Opener,
    model: Path,
    source: str,
    minutes: float,
    add: bool,
    out: Path | None,
    size: tuple[int, int] | None,
    insecure: bool | None,
    rotate: str | None,
    flip: str | None,
    region: Region | None,
) -> None:
    """Teach MODEL the empty scene of a camera.

    Leave the scene empty while the command runs. Frames of the empty scene are then answered with "unknown". The
    network is not trained: the scene is stored in the model file.
    """
    from edgeclf_runtime.commands.output import check_output
    from edgeclf_runtime.learning.background import check_familiarity, learn_background, still_frames
    from edgeclf_runtime.model.rewrite import with_files
    from edgeclf_runtime.sources import SourceOptions, is_camera, open_source
    from edgeclf_runtime.system.atomic_file import written_beside

    target = out or model
    if out is not None or model.is_file():
        check_output(target)
    width, height = size or (0, 0)
    content = model.read_bytes() if model.is_file() else b""
    unchanged = f"; {target} was not changed. Start again with the same command."
    with interruptible(lambda: unchanged), open_model(model) as classifier:
        check_familiarity(classifier)
        card = classifier.card.view
        view = View(region or card.region, int(rotate or card.rotate), flip or card.flip)
        with open_source(source, SourceOptions(width, height, insecure=bool(insecure), realtime=False)) as opened:
            click.echo(f"Source {opened.description}. Leave the scene empty.", err=True)
            live = is_camera(opened)
            frames = _viewed(opened, view if live else View(), classifier.card.preprocessing.min_decoded_size)
            looked = still_frames(frames, minutes * 60) if live else frames
            with closing(frames):
                learned, scene = learn_background(classifier, looked, _shown(minutes), add=add)
    if out is None and model.read_bytes() != content:
        raise ModelError(
            f"{model}: was replaced while the scene was watched, and stays as it is. Run the command again."
        )
    with written_beside(target) as hidden:
        hidden.write_bytes(with_files(content, learned.to_files()))
    click.echo(
        f'{target}: knows the empty scene from {scene.frames} frames; {scene.refused:.0%} were "unknown" before.'
    )


def _viewed(source: Source, view: View, min_size: tuple[int, int]) -> Generator[Frame, None, None]:
    if (decode_for := getattr(source, "decode_for", None)) is not None:
        decode_for(view.before_turning(min_size))
    for frame in source:
        yield frame.viewed(view, min_size)


def _shown(minutes: float) -> Callable[[float], None]:
    """Return a function that updates the elapsed time on a terminal once a second."""
    shown = 0.0

    def show(seconds: float) -> None:
        nonlocal shown
        if sys.stderr.isatty() and time.monotonic() - shown >= 1:
            shown = time.monotonic()
            click.echo(f"\r{seconds / 60:.1f} of {minutes:g} minutes ", err=True, nl=False)

    return show
