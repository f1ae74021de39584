"""What ``edgeclf run`` does with ``[[camera]]`` and ``[[zone]]``."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import click

from edgeclf_runtime.commands.ending import ended_by_signals
from edgeclf_runtime.commands.options import Opener
from edgeclf_runtime.commands.starting import in_background, longest_gap, model_use, watch_memory
from edgeclf_runtime.system.plain_text import counted

if TYPE_CHECKING:
    from edgeclf_runtime.classifier import Classifier
    from edgeclf_runtime.config.settings import RunSettings
    from edgeclf_runtime.config.zones import CameraSettings, ZoneSettings
    from edgeclf_runtime.pipeline.shared_model import SharedModel
    from edgeclf_runtime.pipeline.zones import ZonesPipeline
    from edgeclf_runtime.sinks import Sink
    from edgeclf_runtime.sources import Source, StateListener
    from edgeclf_runtime.updates.reload import ModelWatch

__all__ = ["Printing", "labels_reader", "run_zones"]

_OF_THE_FILE = ("labels", "mean", "std", "color", "resize", "scores")


@dataclass(frozen=True)
class Printing:
    """What goes to the terminal: options of the command line."""

    top: int
    as_json: bool
    only_changes: bool


def labels_reader(open_model: Opener) -> Callable[[Path], tuple[str, ...]]:
    """Return a function that reads the labels of a model file with the options of the command line."""
    given = getattr(open_model, "keywords", {})
    options = {name: given.get(name) for name in _OF_THE_FILE}

    def labels(path: Path) -> tuple[str, ...]:
        from edgeclf_runtime.model.file import read_model

        return read_model(path, **options).card.labels

    return labels


def run_zones(
    open_model: Opener, model: Path, chosen: RunSettings, printing: Printing, max_frames: int | None, cores: int
) -> None:
    """Classify the zones of all cameras in one process; ``cores`` frames at once."""
    from edgeclf_runtime.pipeline.zones import ZonesPipeline
    from edgeclf_runtime.sources import is_live
    from edgeclf_runtime.system.native_lines import filtered_codec_lines

    zones = {zone: zone.model or model for zone in chosen.zones}
    waits = {camera.name: camera.source == "-" or not is_live(camera.source) for camera in chosen.cameras}
    endless = chosen.reload or not all(waits.values()) or any(camera.options.watch for camera in chosen.cameras)
    open_model = functools.partial(open_model, lanes=cores)
    with ExitStack() as stack:
        stack.enter_context(filtered_codec_lines())
        opened = _opened(open_model, chosen, zones, endless, stack)
        sinks = _sinks(chosen, printing, endless, max(_gaps(chosen, waits).values()), lambda: pipeline.stop())
        cameras = {
            camera.name: functools.partial(_open_camera, chosen, camera, zones, opened, printing.as_json)
            for camera in chosen.cameras
            if any(zone.camera == camera.name for zone in zones)  # one without zones is not even opened
        }
        pipeline = ZonesPipeline(cameras, sinks, cores, lossless=all(waits.values()))
        stack.callback(pipeline.close)
        models = _add_zones(pipeline, chosen, zones, opened, waits)
        with ended_by_signals(pipeline), _watched(pipeline, opened, models):
            pipeline.open(
                [camera.name for camera in chosen.cameras if camera.name in cameras and not camera.options.wait]
            )
            _tell_start(chosen, opened, pipeline)
            pipeline.run(max_frames)


@dataclass
class _Model:
    """A model file that is open: its classifier, why its last good copy is used if it is, and what follows it."""

    classifier: Classifier
    refused: str
    watch: ModelWatch | None


def _opened(
    open_model: Opener, chosen: RunSettings, zones: Mapping[ZoneSettings, Path], endless: bool, stack: ExitStack
) -> dict[Path, _Model]:
    """Open each model file once."""
    from edgeclf_runtime.pipeline.zone_sinks import suit_zones
    from edgeclf_runtime.updates.reload import ModelWatch

    models = {}
    for path in dict.fromkeys(zones.values()):
        suits = functools.partial(suit_zones, chosen, [zone for zone, own in zones.items() if own == path])
        use = model_use(path, open_model, suits, chosen.trusted_key)
        watch = ModelWatch(use) if chosen.reload else None  # before the file is opened
        classifier, refused = use.start(endless)
        models[path] = _Model(stack.enter_context(classifier), refused, watch)
    return models


def _gaps(chosen: RunSettings, waits: Mapping[str, bool]) -> dict[str, float]:
    """Return the longest time between two answers of each zone, in seconds; 0 for a source that waits."""
    options = {camera.name: camera.options for camera in chosen.cameras}
    return {
        zone.name: 0.0 if waits[zone.camera] else longest_gap(zone.gate, options[zone.camera]) for zone in chosen.zones
    }


def _sinks(chosen: RunSettings, printing: Printing, endless: bool, gap: float, stop: Callable[[], None]) -> list[Sink]:
    """Open the sinks that all zones share."""
    from edgeclf_runtime.pipeline.zone_sinks import open_shared_sinks
    from edgeclf_runtime.sinks.line_file import is_output
    from edgeclf_runtime.sinks.lines import TerminalSink

    shared = open_shared_sinks(chosen, endless, gap)
    is_taken = any(name and is_output(Path(name)) for name in (chosen.sinks.jsonl, chosen.sinks.csv))

    def unread() -> None:
        if is_taken or chosen.sinks == type(chosen.sinks)():  # in a thread, because stop waits
            threading.Thread(target=stop, name="stop", daemon=True).start()

    is_silent = is_taken and not printing.as_json
    return [TerminalSink(printing.top, printing.as_json, printing.only_changes, is_silent, unread), *shared]


def _add_zones(
    pipeline: ZonesPipeline,
    chosen: RunSettings,
    zones: Mapping[ZoneSettings, Path],
    opened: Mapping[Path, _Model],
    waits: Mapping[str, bool],
) -> dict[Path, SharedModel]:
    from edgeclf_runtime.pictures.view import GivenView
    from edgeclf_runtime.pipeline.scheduler import Device
    from edgeclf_runtime.pipeline.shared_model import SharedModel
    from edgeclf_runtime.pipeline.zone import Zone
    from edgeclf_runtime.pipeline.zone_sinks import open_zone_sinks
    from edgeclf_runtime.sinks.sink import ZoneName

    models: dict[Path, SharedModel] = {}
    for path, model in opened.items():
        backend = model.classifier.backend
        device = Device(backend.lanes, on_cores=not backend.name.startswith("edgetpu"))
        models[path] = SharedModel(model.classifier, device, pipeline.tell)
    cameras, gaps = {camera.name: camera for camera in chosen.cameras}, _gaps(chosen, waits)
    for zone, path in zones.items():
        classifier, options = opened[path].classifier, cameras[zone.camera].options
        view = GivenView(zone.region, options.rotate, options.flip, zone.polygon)
        watched = Zone(classifier, zone.decision, zone.gate, view, ZoneName(zone.camera, zone.name))
        pipeline.add(watched, models[path], open_zone_sinks(chosen, zone, classifier, gaps[zone.name], watched.control))
    return models


def _open_camera(
    chosen: RunSettings,
    camera: CameraSettings,
    zones: Mapping[ZoneSettings, Path],
    opened: Mapping[Path, _Model],
    as_json: bool,
    listener: StateListener,
) -> Source:
    """Open a camera; its zones turn and cut the images."""
    from edgeclf_runtime.pictures.preprocess import min_side
    from edgeclf_runtime.sources import open_source

    own = [(zone, opened[path].classifier.card) for zone, path in zones.items() if zone.camera == camera.name]
    options = replace(camera.options, rotate=None, flip=None)
    turns = camera.options.turns or any(camera.options.rotate is None and card.view.turns for _, card in own)
    if turns:  # a JPEG that is rotated is decoded at full size
        options = replace(options, min_decoded_size=0)
    elif options.fast_decode and not options.min_decoded_size and own:
        sides = [min_side(card.preprocessing, (zone.region or card.view.region)[2:]) for zone, card in own]
        options = replace(options, min_decoded_size=max(sides))
    settings = replace(chosen, source=camera.source, camera=camera.options)
    memory = watch_memory(Path(camera.name), settings, as_json) if own else None
    return open_source(camera.source, options, listener, memory)


@contextmanager
def _watched(
    pipeline: ZonesPipeline, opened: Mapping[Path, _Model], models: Mapping[Path, SharedModel]
) -> Iterator[None]:
    """Send a service's heartbeats and follow the model files in the background."""
    from edgeclf_runtime.sinks import ModelState

    watches = [(model.watch, models[path]) for path, model in opened.items() if model.watch is not None]
    with in_background(pipeline, watches) as heartbeat:
        for path, model in opened.items():
            if model.refused:
                labels = model.classifier.card.labels
                models[path].tell(ModelState("refused", str(path.absolute()), labels, model.refused))
        heartbeat.start(counted(len(pipeline.counts), "zone"))
        yield


def _tell_start(chosen: RunSettings, opened: Mapping[Path, _Model], pipeline: ZonesPipeline) -> None:
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
