"""``edgeclf run`` with ``[[camera]]`` and ``[[zone]]``."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import click

from edgeclf_runtime.commands.ending import ended_by_signals
from edgeclf_runtime.commands.options import Opener
from edgeclf_runtime.commands.starting import in_background, model_use, opened_model
from edgeclf_runtime.commands.zoned_run import OpenModel, ZonedRun, gap_of
from edgeclf_runtime.errors import UsageError
from edgeclf_runtime.system.plain_text import counted

if TYPE_CHECKING:
    from edgeclf_runtime.config.settings import RunSettings
    from edgeclf_runtime.config.zones import ZoneSettings
    from edgeclf_runtime.model.identity import ModelIdentity
    from edgeclf_runtime.pipeline.shared_model import SharedModel
    from edgeclf_runtime.pipeline.zone_changes import ZoneChanges
    from edgeclf_runtime.pipeline.zones import ZonesPipeline
    from edgeclf_runtime.sinks import Sink
    from edgeclf_runtime.sources import Source, StateListener

__all__ = ["Printing", "frames_at_once", "labels_reader", "run_zones"]

_OF_THE_FILE = ("labels", "mean", "std", "color", "resize", "scores")


@dataclass(frozen=True)
class Printing:
    """What is printed, by the options of the command line."""

    top: int
    as_json: bool
    only_changes: bool


def labels_reader(open_model: Opener) -> Callable[[Path], tuple[str, ...]]:
    """Return a function that reads the labels of a model file with the options of the command line.

    If the file is damaged, it reads its last good copy's, which a service starts with.
    """
    given = getattr(open_model, "keywords", {})
    options = {name: given.get(name) for name in _OF_THE_FILE}

    def labels(path: Path) -> tuple[str, ...]:
        from edgeclf_runtime.errors import ModelError
        from edgeclf_runtime.model.file import read_model
        from edgeclf_runtime.updates.last_good import LastGood

        try:
            return read_model(path, **options).card.labels
        except ModelError:
            if (copy := LastGood(path).find()) is None:
                raise
            return read_model(copy, **options).card.labels

    return labels


def run_zones(
    open_model: Opener,
    model: Path,
    chosen: RunSettings,
    printing: Printing,
    max_frames: int | None,
    interpreters: int | None,
    changes: ZoneChanges | None,
) -> None:
    """Classify the zones of all cameras in one process.

    Args:
        interpreters: number of interpreters per model; by default one per core.
        changes: applies the page's changes; None if there are none.
    """
    from edgeclf_runtime.pipeline.zones import ZonesPipeline
    from edgeclf_runtime.sources import is_live
    from edgeclf_runtime.system.cores import usable_cores
    from edgeclf_runtime.system.native_lines import filtered_codec_lines

    zones = {zone: zone.model or model for zone in chosen.zones}
    waits = {camera.name: camera.source == "-" or not is_live(camera.source) for camera in chosen.cameras}
    if chosen.update and model not in zones.values():
        raise UsageError(f"update: replaces {model}, which no zone uses.")
    endless = (
        bool(chosen.reload or chosen.update)
        or not all(waits.values())
        or any(camera.options.watch for camera in chosen.cameras)
    )
    at_once = frames_at_once(interpreters, usable_cores())
    open_model = functools.partial(open_model, lanes=interpreters or usable_cores())
    with ExitStack() as stack:
        stack.enter_context(filtered_codec_lines())
        opened = _opened(open_model, chosen, zones, model, bool(changes), endless, stack)
        gap = max(gap_of(zone, chosen, waits) for zone in chosen.zones)
        models_used = tuple(model.classifier.identity for model in opened.values())
        sinks = _sinks(chosen, printing, endless, gap, lambda: pipeline.stop(), changes, models_used)

        def open_camera(name: str, listener: StateListener) -> Source:
            return zoned.open_camera(name, listener)

        cameras = {camera.name: functools.partial(open_camera, camera.name) for camera in chosen.cameras}
        pipeline = ZonesPipeline(cameras, sinks, at_once, lossless=all(waits.values()))
        stack.callback(pipeline.close)
        models = _shared_models(opened, pipeline, at_once)
        zoned = ZonedRun(chosen, model, opened, models, waits, pipeline, printing.as_json)
        zoned.add_all()
        with ended_by_signals(pipeline), _watched(pipeline, opened, models):
            zoned.open_cameras()
            _tell_start(chosen, opened, pipeline)
            pipeline.run(max_frames, None if changes is None else lambda: changes.begin(zoned.change))


def frames_at_once(interpreters: int | None, cores: int) -> int:
    """Return how many frames of all zones to work on at once: as many as there are interpreters of a model.

    By default this is one more than there are cores: a thread can work while another waits for Python's lock, needed
    between the steps of a frame, or for an interpreter.
    """
    return interpreters or (cores + 1 if cores > 1 else 1)


def _opened(
    open_model: Opener,
    chosen: RunSettings,
    zones: Mapping[ZoneSettings, Path],
    main: Path,
    needs_main: bool,
    endless: bool,
    stack: ExitStack,
) -> dict[Path, OpenModel]:
    """Open each model file once, the command line's too, if zones may use it later; updates replace that one."""
    from edgeclf_runtime.pipeline.zone_sinks import suit_zones

    models = {}
    for path in dict.fromkeys([*zones.values(), *([main] * needs_main)]):
        suits = functools.partial(suit_zones, chosen, [zone for zone, own in zones.items() if own == path])
        use = model_use(path, open_model, suits, chosen.trusted_key)
        classifier, refused, followers = opened_model(use, chosen, endless, updates=path == main)
        probation = use.probation if endless else None
        models[path] = OpenModel(stack.enter_context(classifier), refused, followers, probation)
    return models


def _sinks(
    chosen: RunSettings,
    printing: Printing,
    endless: bool,
    gap: float,
    stop: Callable[[], None],
    changes: ZoneChanges | None,
    models: tuple[ModelIdentity, ...],
) -> list[Sink]:
    """Open the sinks that all zones share."""
    from edgeclf_runtime.pipeline.zone_sinks import open_shared_sinks
    from edgeclf_runtime.sinks.line_file import is_output
    from edgeclf_runtime.sinks.lines import TerminalSink

    shared = open_shared_sinks(chosen, endless, gap, changes, models)
    is_taken = any(name and is_output(Path(name)) for name in (chosen.sinks.jsonl, chosen.sinks.csv))

    def unread() -> None:
        if is_taken or chosen.sinks == type(chosen.sinks)():  # in a thread, because stop waits
            threading.Thread(target=stop, name="stop", daemon=True).start()

    is_silent = is_taken and not printing.as_json
    return [TerminalSink(printing.top, printing.as_json, printing.only_changes, is_silent, unread), *shared]


def _shared_models(opened: Mapping[Path, OpenModel], pipeline: ZonesPipeline, at_once: int) -> dict[Path, SharedModel]:
    from edgeclf_runtime.pipeline.scheduler import Device
    from edgeclf_runtime.pipeline.shared_model import SharedModel

    models: dict[Path, SharedModel] = {}
    for path, model in opened.items():
        backend = model.classifier.backend
        on_cores = not backend.name.startswith("edgetpu")
        device = Device(at_once if on_cores else backend.lanes, on_cores)
        models[path] = SharedModel(model.classifier, device, pipeline.tell)
        pipeline.share(models[path])
    return models


@contextmanager
def _watched(
    pipeline: ZonesPipeline, opened: Mapping[Path, OpenModel], models: Mapping[Path, SharedModel]
) -> Iterator[None]:
    """Send a service's heartbeats and watch the model files in the background."""
    from edgeclf_runtime.sinks import ModelState

    watches = [(follower, models[path]) for path, model in opened.items() for follower in model.followers]
    probations = [model.probation for model in opened.values() if model.probation is not None]
    with in_background(pipeline, watches, probations) as heartbeat:
        for path, model in opened.items():
            if model.refused:
                labels = model.classifier.card.labels
                models[path].tell(ModelState("refused", str(path.absolute()), labels, model.refused))
        heartbeat.start(counted(len(pipeline.counts), "zone"))
        yield


def _tell_start(chosen: RunSettings, opened: Mapping[Path, OpenModel], pipeline: ZonesPipeline) -> None:
    for path, model in opened.items():
        backend = model.classifier.backend
        labels = counted(len(model.classifier.card.labels), "label")
        click.echo(f"{path}: {labels}; backend {backend.name} ({backend.reason})", err=True)
    for camera in chosen.cameras:
        names = [zone.name for zone in chosen.zones if zone.camera == camera.name]
        source = (pipeline.description(camera.name) or "awaited") if names else "not opened"
        click.echo(
            f"Camera {camera.name}: {source}; {counted(len(names), 'zone')}{': ' if names else ''}{', '.join(names)}",
            err=True,
        )
