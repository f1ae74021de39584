"""``edgeclf run``."""

from __future__ import annotations

import functools
import os
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from edgeclf_runtime.commands.ending import ended_by_signals
from edgeclf_runtime.commands.options import (
    Opener,
    SectionedCommand,
    insecure_option,
    json_option,
    model_argument,
    model_options,
    region_option,
    say_if_nothing_is_refused,
    size_option,
    tls_option,
    top_option,
    trusted_key_option,
    turn_options,
)
from edgeclf_runtime.commands.starting import (
    FILES,
    PAGE,
    await_time,
    by_table,
    decoding_cores,
    in_background,
    longest_gap,
    model_use,
    opened_model,
    watch_memory,
)
from edgeclf_runtime.commands.zones import Printing, labels_reader, run_zones
from edgeclf_runtime.renamed import FLAGS
from edgeclf_runtime.system.plain_text import counted

__all__ = ["run"]

_PATH = click.Path(path_type=Path)
_READING = ("reopen", "watch", "realtime", "fast_decode")
_SECTIONS = {
    "Basic options": ("source", "config", "max_frames"),
    "Source": (
        "size",
        "fps",
        "format_",
        "rotate",
        "flip",
        "region",
        "insecure",
        "reopen",
        "watch",
        "realtime",
        "fast_decode",
    ),
    "Answers": ("threshold", "reject", "margin", "smoothing", "hold", "max_fps", "motion"),
    "Output": ("every_frame", "as_json", "top", *PAGE, "window", "mqtt", "command", "webhook", "cooldown", "metrics"),
    "Files": FILES,
    "New models": ("reload", "trusted_key", "update"),
    "Model": (
        "labels",
        "mean",
        "std",
        "color",
        "resize",
        "scores",
        "backend",
        "threads",
        "interpreters",
    ),
}


@click.command(cls=SectionedCommand, sections=_SECTIONS, renamed=FLAGS["run"])
@model_argument
@click.option(
    "--source", help="Camera number or device, csi, video, image folder, address, or - for JPEGs on stdin (default: 0)."
)
@click.option(
    "--config", type=_PATH, help="Read settings from this TOML file; options on the command line take precedence."
)
@click.option("--max-frames", type=click.IntRange(1), help="Stop after this many frames.")
@size_option
@click.option("--fps", type=float, help="Frame rate to request from the camera.")
@click.option("--format", "format_", metavar="MJPG|YUYV|...", help="Pixel format to request from a V4L2 camera.")
@turn_options
@region_option
@insecure_option
@click.option("--reopen/--no-reopen", default=None, help="Keep trying to reopen a lost camera or stream.")
@click.option("--watch", is_flag=True, default=None, help="Keep watching a folder for new images.")
@click.option("--realtime", is_flag=True, default=None, help="Play a video at its own speed.")
@click.option(
    "--reload",
    is_flag=True,
    default=None,
    help="Switch to a new model file when it replaces MODEL and passes its check.",
)
@click.option(
    "--threshold", type=float, help='Answer "unknown" if the best score is lower (default: stored in the model).'
)
@click.option(
    "--reject",
    type=float,
    help='Answer "unknown" for unfamiliar images; up to this share of familiar images may be refused, too (default: '
    "stored in the model; 0 turns it off).",
)
@click.option("--margin", type=float, help='Answer "unknown" if the best score is less than this above the second.')
@click.option("--smoothing", type=float, metavar="SECONDS", help="Time constant of the moving average over scores.")
@click.option("--hold", type=float, metavar="SECONDS", help="How long a new answer must last before it counts.")
@click.option(
    "--cooldown", type=float, metavar="SECONDS", help="Minimum time between two calls of --command or --webhook."
)
@click.option("--max-fps", type=float, help="Maximum number of frames classified per second.")
@click.option("--motion", type=float, help="Skip frames that differ from the last one by fewer grey levels than this.")
@click.option("--fast-decode", is_flag=True, default=None, help="Decode JPEGs at reduced size if this is large enough.")
@click.option(
    "--interpreters",
    type=click.IntRange(1, 64),
    help="Interpreters that run in parallel (default: 1 for a camera, else one per core, up to 4).",
)
@click.option("--every-frame", is_flag=True, help="Print a line for every frame, not only when the answer changes.")
@click.option("--changes", is_flag=True, hidden=True)
@click.option("--jsonl", metavar="FILE", help="Append JSON lines to FILE (- for standard output).")
@click.option(
    "--jsonl-every", type=click.Choice(["frame", "change"]), help="Write every frame (default) or only changes."
)
@click.option("--csv", metavar="FILE", help="Append one CSV row per frame to FILE.")
@click.option("--rotate-bytes", type=int, help="Start a new file after this many bytes (default: 10000000).")
@click.option("--rotate-keep", type=int, help="Older files to keep (default: 5).")
@click.option("--snapshots", metavar="DIR", help="Save images of uncertain answers to DIR.")
@click.option("--video", metavar="DIR", help="Record video with the answers, in segments, to DIR.")
@click.option("--window", is_flag=True, default=None, help="Show the frames in a window.")
@click.option("--command", metavar="PROGRAM", help="Run PROGRAM when the answer changes.")
@click.option("--webhook", metavar="URL", help="POST to URL when the answer changes.")
@click.option("--mqtt", metavar="URL", help="Publish to mqtt://[user:password@]host, with discovery by Home Assistant.")
@click.option(
    "--metrics", type=click.IntRange(1, 65535), metavar="PORT", help="Serve metrics for Prometheus on 127.0.0.1."
)
@click.option("--web", metavar="[HOST:]PORT", help="Serve a live page (default host: 127.0.0.1; others need a token).")
@tls_option
@json_option
@top_option
@trusted_key_option
@click.option(
    "--update",
    metavar="URL|DIR",
    help="Check an https address or a folder, such as a USB stick, for new signed models (see edgeclf publish).",
)
@model_options
def run(
    open_model: Opener,
    model: Path,
    config: Path | None,
    max_frames: int | None,
    as_json: bool,
    top: int,
    every_frame: bool,
    changes: bool,
    interpreters: int | None,
    **given: Any,
) -> None:
    """Classify the frames of a camera, video, folder or stream."""
    from edgeclf_runtime.config.exposure import exposed_secrets
    from edgeclf_runtime.config.settings import read_settings
    from edgeclf_runtime.pictures.preprocess import min_side
    from edgeclf_runtime.pictures.view import GivenView
    from edgeclf_runtime.pipeline.pipeline import Pipeline
    from edgeclf_runtime.pipeline.sinks import check_labels, check_sinks, open_sinks
    from edgeclf_runtime.pipeline.zone_changes import settings_and_changes
    from edgeclf_runtime.pipeline.zone_sinks import check_zone_sinks
    from edgeclf_runtime.sinks import ModelState
    from edgeclf_runtime.sinks.line_file import is_output
    from edgeclf_runtime.sinks.lines import TerminalSink
    from edgeclf_runtime.sources import is_camera, is_live, is_one_image, open_source
    from edgeclf_runtime.system.memory import share_heaps
    from edgeclf_runtime.system.native_lines import filtered_codec_lines
    from edgeclf_runtime.threads import CameraOpener

    share_heaps()
    # Otherwise, a thread that returns from OpenCV or the interpreter would wait for another's Python code for 5 ms.
    sys.setswitchinterval(0.0005)
    content = read_settings(config) if config else {}
    options, labels_of = by_table(given), labels_reader(open_model)
    chosen, zone_changes = settings_and_changes(content, options, str(config or ""), model, labels_of)
    if chosen.zones:
        check_zone_sinks(chosen)
    else:
        check_sinks(chosen.sinks)
    if changes:
        click.echo(_about_changes(as_json), err=True)
    if config and (exposed := exposed_secrets(config, content)):
        click.echo(exposed, err=True)
    await_time()
    # A stalled V4L2 queue would block a read for 10 s; OpenCV reads this variable at its first import.
    os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "3")
    import cv2

    cv2.setNumThreads(1)  # OpenCV's threads spin while waiting, which costs more than small images gain
    only_changes = changes or not (as_json or every_frame)
    if chosen.zones:
        printing = Printing(top, as_json, only_changes)
        return run_zones(open_model, model, chosen, printing, max_frames, interpreters, zone_changes)
    waits = chosen.source == "-" or not is_live(chosen.source)
    # All cores together finish a camera's newest frame sooner, unless more frames come than they can process.
    several = waits and not is_one_image(chosen.source)
    open_model = functools.partial(open_model, lanes=interpreters or (decoding_cores() if several else 1))
    if not waits and interpreters is None and open_model.keywords.get("threads") is None:
        open_model = CameraOpener(open_model, model, open_model.keywords.get("backend") or "auto")
    suits = functools.partial(check_labels, chosen.sinks)
    use = model_use(model, open_model, suits, chosen.trusted_key)
    endless = bool(chosen.reload or chosen.update) or chosen.camera.watch or not waits
    classifier, refused, followers = opened_model(use, chosen, endless, updates=True)
    with filtered_codec_lines(), classifier:
        say_if_nothing_is_refused(classifier, chosen.decision.reject)
        gap, cooldown = 0.0 if waits else longest_gap(chosen.gate, chosen.camera), chosen.decision.cooldown
        labels, has_familiarity = classifier.card.labels, classifier.familiarity is not None
        others = open_sinks(
            chosen.sinks,
            labels,
            model.name,
            gap,
            cooldown,
            endless=endless,
            familiarity=has_familiarity,
            examples=classifier.examples,
            several_labels=classifier.card.has_several_labels,
            models=(classifier.identity,),
        )

        is_taken = any(name and is_output(Path(name)) for name in (chosen.sinks.jsonl, chosen.sinks.csv))

        def unread() -> None:
            if is_taken or not others:  # in a thread, because stop waits, also for the sink that calls this
                threading.Thread(target=pipeline.stop, name="stop", daemon=True).start()

        sinks = [TerminalSink(top, as_json, only_changes, is_taken and not as_json, unread), *others]
        wanted = GivenView(chosen.gate.region, chosen.camera.rotate, chosen.camera.flip)
        # The pipeline rotates the images, because a new model may need another rotation.
        camera = replace(chosen.camera, rotate=None, flip=None)
        view = wanted.over(classifier.card.view, camera=True)
        if view.turns:  # a JPEG that is rotated is decoded at full size
            camera = replace(camera, min_decoded_size=0)
        elif camera.fast_decode and not camera.min_decoded_size:
            camera = replace(camera, min_decoded_size=min_side(classifier.card.preprocessing, view.region[2:]))
        pipeline = Pipeline(classifier, sinks, chosen.decision, chosen.gate, lossless=waits, view=wanted)
        watches, probations = [(one, pipeline) for one in followers], [use.probation] if endless else []
        with ended_by_signals(pipeline), in_background(pipeline, watches, probations) as heartbeat:
            try:
                source = open_source(chosen.source, camera, pipeline.tell, watch_memory(model, chosen, as_json))
            except BaseException:
                pipeline.close()
                raise
            backend = f"{classifier.backend.name} ({classifier.backend.reason})"
            if isinstance(open_model, CameraOpener) and open_model.choice is not None:
                backend += f", {open_model.choice}"
            click.echo(
                f"{model}: {counted(len(labels), 'label')}; backend {backend}; source {source.description}", err=True
            )
            if view_line := wanted.describe(classifier.card.view, is_camera(source)):
                click.echo(view_line, err=True)
            if refused:
                pipeline.tell(ModelState("refused", str(model.absolute()), classifier.card.labels, refused))
            heartbeat.start(source.description or "awaited")
            pipeline.run(source, max_frames)


def _about_changes(as_json: bool) -> str:
    if as_json:
        return "--changes with --json is now: --jsonl - --jsonl-every change"
    return "--changes is now the default: leave it out. To print a line for every frame, use --every-frame."
