"""``edgeclf capture``."""

from __future__ import annotations

import functools
import os
import shlex
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from edgeclf_runtime.commands.capture_frames import Frames, by_the_clock, camera_frames
from edgeclf_runtime.commands.options import insecure_option, region_option, size_option, tls_option, turn_options
from edgeclf_runtime.commands.page import class_names, server_context, terminated
from edgeclf_runtime.errors import SourceError, UsageError
from edgeclf_runtime.pictures.view import WHOLE, Region, View
from edgeclf_runtime.prediction import NOTHING

if TYPE_CHECKING:
    from edgeclf_runtime.commands.capture_zones import ZoneChoice
    from edgeclf_runtime.learning.teacher import Teacher
    from edgeclf_runtime.web.album import Album
    from edgeclf_runtime.web.capture_page import CapturePage

__all__ = ["capture"]

_NO_SOURCE = "none"


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--source",
    default="0",
    show_default=True,
    help="Camera, csi, video or address (see edgeclf run), or none to use only phones' cameras.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="Take photographs of a zone of this run.toml, as the network will see it.",
)
@click.option("--zone", metavar="NAME", default="", help="Zone to start with (with --config; default: the first).")
@click.option(
    "--classes", callback=class_names, default="", metavar="A,B,...", help="Classes to offer; the page can add more."
)
@click.option(
    "--web", default="8080", show_default=True, metavar="[HOST:]PORT", help="Address of the page; see edgeclf run."
)
@click.option(
    "--teach",
    "base",
    type=click.Path(path_type=Path),
    metavar="BASE.tflite",
    help="Let the page teach the images to this model file; see edgeclf teach.",
)
@tls_option
@size_option
@click.option("--fps", type=float, default=0.0, help="Frame rate to request from the camera.")
@click.option(
    "--format", "format_", default="", metavar="MJPG|YUYV|...", help="Pixel format to request from a V4L2 camera."
)
@turn_options
@region_option
@insecure_option
@click.option(
    "--every",
    type=click.FloatRange(0.05),
    metavar="SECONDS",
    help="Take a photograph at this interval instead of serving a page.",
)
@click.option("--label", metavar="NAME", help="Class of the photographs (with --every).")
@click.option(
    "--count",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="Stop after this many photographs (with --every).",
)
def capture(
    folder: Path,
    source: str,
    config: Path | None,
    zone: str,
    classes: list[str],
    web: str,
    base: Path | None,
    tls: tuple[str, str] | None,
    size: tuple[int, int] | None,
    fps: float,
    format_: str,
    insecure: bool | None,
    rotate: str | None,
    flip: str | None,
    region: Region | None,
    every: float | None,
    label: str | None,
    count: int,
) -> None:
    """Take training images with a camera, from a web page.

    Hold a button on the page to take images. DIR gets one sub-folder per class, as edgeclf train expects. With
    --region, only this part of each image is saved, as the network will see it. With --config, a zone of run.toml is
    saved, and the page offers the other zones. A phone that opens the page over HTTPS (--tls) can use its own camera.
    With --teach, the page also teaches a model, in seconds, and shows its answers; the model is DIR/taught.tflite.
    """
    from edgeclf_runtime.sources import SourceOptions
    from edgeclf_runtime.system.native_lines import filtered_codec_lines
    from edgeclf_runtime.web.album import Album

    if (every is None) != (label is None):
        raise UsageError("Give --every and --label together.")
    if base is not None and every is not None:
        raise UsageError("--teach needs the page: omit --every, and use `edgeclf teach` afterwards.")
    if source == _NO_SOURCE and (every or size or fps or format_ or rotate or flip or region):
        raise UsageError("--source none: photographs from phones are taken on the page and saved without changes.")
    if config is None and zone:
        raise UsageError("--zone needs --config, the run.toml with this zone.")
    if config is not None and (wrong := _given_beside_config()):
        raise UsageError(f"--config: the camera and its zones are those of {config}; omit {', '.join(wrong)}.")
    view = View(region or WHOLE, int(rotate or 0), flip or "none")
    teacher = _teacher(base, folder, view) if base is not None else None
    if teacher is not None and source != _NO_SOURCE:
        view = teacher.view
    zones = None
    if config is not None:
        from edgeclf_runtime.commands.capture_zones import ZoneChoice

        zones = ZoneChoice(config, zone, view)
    width, height = size or (0, 0)
    options = SourceOptions(
        width,
        height,
        fps,
        format_,
        reopen=every is None,
        realtime=True,
        insecure=bool(insecure),
        rotate=view.rotate,
        flip=view.flip,
    )
    frames: Frames = functools.partial(camera_frames, source, options, view)
    if zones is not None:
        frames = functools.partial(zones.frames, reopen=every is None)
    album = Album(folder, [*classes, *([label] if label else []), *([NOTHING] if teacher else [])])
    # A stalled V4L2 queue would block a read for 10 s; OpenCV reads this variable at its first import.
    os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "3")
    with filtered_codec_lines(), terminated():
        if every is not None and label is not None:
            by_the_clock(album, frames, label.strip(), every, count)
        else:
            _by_hand(album, None if source == _NO_SOURCE else frames, view, web, tls, teacher, zones)
    counts = ", ".join(f"{name} {number}" for name, number in album.counts.items())
    click.echo(f"{folder}: {counts or 'no classes'}")
    if teacher is not None and teacher.model.exists():
        seen = f"--config {shlex.quote(str(config))}" if config is not None else f"--source {shlex.quote(source)}"
        click.echo(f"Next: edgeclf run {shlex.quote(str(teacher.model))} {seen}")
    elif zones is not None:
        click.echo(f"Next: edgeclf train {shlex.quote(str(folder))}; run.toml has the zone.")
    elif view.changes:
        click.echo(f"Next, so that the device sees the same: edgeclf train {shlex.quote(str(folder))} {_words(view)}")


def _given_beside_config() -> list[str]:
    """Return the options of the camera and the view that were given on the command line."""
    context = click.get_current_context()
    names = ("source", "size", "fps", "format_", "rotate", "flip", "region", "insecure")
    given = (name for name in names if context.get_parameter_source(name) is ParameterSource.COMMANDLINE)
    return [f"--{name.rstrip('_')}" for name in given]


def _teacher(base: Path, folder: Path, view: View) -> Teacher:
    from edgeclf_runtime.learning.teacher import Teacher

    return Teacher(base, folder, view if view.changes else None)


def _words(view: View) -> str:
    """Return the options of ``edgeclf train`` for images that are already rotated and cropped."""
    region = f"--region {','.join(f'{share:g}' for share in view.region)}" if view.region != WHOLE else ""
    rotation = f"--rotate {view.rotate}" if view.rotate else ""
    return " ".join(filter(None, (region, rotation, f"--camera-flip {view.flip}" if view.flip != "none" else "")))


def _by_hand(
    album: Album,
    frames: Frames | None,
    view: View,
    web: str,
    tls: tuple[str, str] | None,
    teacher: Teacher | None,
    zones: ZoneChoice | None,
) -> None:
    from edgeclf_runtime.web import check_installed

    check_installed()
    from edgeclf_runtime.web.address import is_local
    from edgeclf_runtime.web.capture_page import CapturePage

    context, camera = server_context(tls), frames is not None
    seen, words = str(view) if view.changes else "", _words(view)
    if zones is not None:
        seen, words = "the zone", ""
    page = CapturePage(
        album, web, tls=context, camera=camera, view=seen, train_options=words, teaching=teacher, zones=zones
    )
    try:
        if frames is not None:
            _show(page, frames)
        else:
            click.echo(f"No camera here. Open {page.invitation} on a phone and press Ctrl-C to stop.", err=True)
            if page.invitation.startswith("http:") and not is_local(web):
                click.echo("Browsers allow the camera only over HTTPS or from localhost: see --tls.", err=True)
            threading.Event().wait()
    except KeyboardInterrupt:
        pass
    finally:
        page.close()
        album.refresh()
        if teacher is not None:
            teacher.close()


def _show(page: CapturePage, frames: Frames) -> None:
    descriptions = []

    def opened(description: str) -> None:
        descriptions.append(description)
        click.echo(f"Source {description}. Open {page.invitation} and press Ctrl-C to stop.", err=True)

    try:
        for frame in frames(page.tell, opened):
            page.show(frame)
    except SourceError as error:
        if descriptions:
            raise
        raise SourceError(f"{error} To use only phones' cameras: --source none.") from None
