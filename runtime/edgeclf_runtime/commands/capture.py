"""``edgeclf capture``."""

from __future__ import annotations

import os
import shlex
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeclf_runtime.commands.options import insecure_option, region_option, size_option, tls_option, turn_options
from edgeclf_runtime.commands.page import class_names, server_context, terminated
from edgeclf_runtime.errors import SourceError, UsageError
from edgeclf_runtime.pictures.view import WHOLE, Region, View
from edgeclf_runtime.prediction import NOTHING

if TYPE_CHECKING:
    from edgeclf_runtime.frame import Frame
    from edgeclf_runtime.learning.teacher import Teacher
    from edgeclf_runtime.sources import SourceOptions
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
    help="Camera, csi, video or address (see edgeclf run), or none: a phone's camera only.",
)
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
    help="Teach this model file the images, on the page; see edgeclf teach.",
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

    Hold a button on the page to take images. DIR gets one subfolder per class, as edgeclf train expects. With --region,
    only that part of each image is stored, which is what the network will see. A phone that opens the page over HTTPS
    (--tls) can use its own camera instead. With --teach, the page also teaches a model, in seconds, and shows its
    answers; the model is DIR/taught.tflite.
    """
    from edgeclf_runtime.sources import SourceOptions
    from edgeclf_runtime.system.native_lines import filtered_codec_lines
    from edgeclf_runtime.web.album import Album

    if (every is None) != (label is None):
        raise UsageError("Give --every and --label together.")
    if base is not None and every is not None:
        raise UsageError("--teach is for the page: omit --every, and teach with `edgeclf teach` afterwards.")
    if source == _NO_SOURCE and (every or size or fps or format_ or rotate or flip or region):
        raise UsageError("--source none: a phone's photographs are kept as they come, and taken on the page alone.")
    view = View(region or WHOLE, int(rotate or 0), flip or "none")
    teacher = _teacher(base, folder, view) if base is not None else None
    if teacher is not None and source != _NO_SOURCE:
        view = teacher.view
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
    album = Album(folder, [*classes, *([label] if label else []), *([NOTHING] if teacher else [])])
    # A stalled V4L2 queue would block a read for 10 s; OpenCV reads this variable at its first import.
    os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "3")
    with filtered_codec_lines(), terminated():
        if every is not None and label is not None:
            _by_the_clock(album, source, options, view, label.strip(), every, count)
        else:
            _by_hand(album, source, options, view, web, tls, teacher)
    counts = ", ".join(f"{name} {number}" for name, number in album.counts.items())
    click.echo(f"{folder}: {counts or 'no classes'}")
    if teacher is not None and teacher.model.exists():
        click.echo(f"Next: edgeclf run {shlex.quote(str(teacher.model))} --source {shlex.quote(source)}")
    elif view.changes:
        click.echo(f"Next, so that the device sees the same: edgeclf train {shlex.quote(str(folder))} {_words(view)}")


def _teacher(base: Path, folder: Path, view: View) -> Teacher:
    from edgeclf_runtime.learning.teacher import Teacher

    return Teacher(base, folder, view if view.changes else None)


def _words(view: View) -> str:
    """Return the options of ``edgeclf train`` for images that are already rotated and cropped."""
    region = f"--region {','.join(f'{share:g}' for share in view.region)}" if view.region != WHOLE else ""
    rotation = f"--rotate {view.rotate}" if view.rotate else ""
    return " ".join(filter(None, (region, rotation, f"--camera-flip {view.flip}" if view.flip != "none" else "")))


def _kept(frame: Frame, view: View) -> Frame:
    """Crop a frame that its source has rotated to the view; a cropped frame loses its original JPEG."""
    if view.region == WHOLE:
        return frame
    return replace(frame, pixels=view.cut(frame.pixels), jpeg=None, unturned=None)


def _by_hand(
    album: Album,
    source: str,
    options: SourceOptions,
    view: View,
    web: str,
    tls: tuple[str, str] | None,
    teacher: Teacher | None,
) -> None:
    from edgeclf_runtime.web import check_installed

    check_installed()
    from edgeclf_runtime.web.address import is_local
    from edgeclf_runtime.web.capture_page import CapturePage

    context, camera = server_context(tls), source != _NO_SOURCE
    seen = str(view) if view.changes else ""
    page = CapturePage(album, web, tls=context, camera=camera, view=seen, train_options=_words(view), teaching=teacher)
    try:
        if camera:
            _show(page, source, options, view)
        else:
            click.echo(f"No camera here. Open {page.invitation} on a phone, say, and end with Ctrl-C.", err=True)
            if page.invitation.startswith("http:") and not is_local(web):
                click.echo("Browsers give a page their camera only over HTTPS or from localhost: see --tls.", err=True)
            threading.Event().wait()
    except KeyboardInterrupt:
        pass
    finally:
        page.close()
        album.refresh()
        if teacher is not None:
            teacher.close()


def _show(page: CapturePage, source: str, options: SourceOptions, view: View) -> None:
    from edgeclf_runtime.sources import open_source

    try:
        opened = open_source(source, options, page.tell)
    except SourceError as error:
        raise SourceError(f"{error} For a phone's camera alone: --source none.") from None
    with opened as frames:
        click.echo(f"Source {frames.description}. Open {page.invitation} and end with Ctrl-C.", err=True)
        for frame in frames:
            page.show(_kept(frame, view))


def _by_the_clock(
    album: Album, source: str, options: SourceOptions, view: View, label: str, every: float, count: int
) -> None:
    from edgeclf_runtime.sources import open_source

    due, left = time.monotonic(), count
    with open_source(source, options) as frames:
        for frame in frames:
            now = time.monotonic()
            if now < due:
                continue
            due = due + every if now < due + every else now + every
            frame = _kept(frame, view)
            path = album.write(label, frame.pixels, time.time() - (time.monotonic() - frame.time), frame.jpeg)
            left -= 1
            click.echo(f"{path}", err=True)
            if not left:
                break
