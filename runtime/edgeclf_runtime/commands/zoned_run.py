"""The zones of a run, which the page may change while it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Callable

from edgeclf_runtime.commands.starting import longest_gap, watch_memory
from edgeclf_runtime.errors import SinkError

if TYPE_CHECKING:
    from edgeclf_runtime.classifier import Classifier
    from edgeclf_runtime.config.settings import RunSettings
    from edgeclf_runtime.config.zones import CameraSettings, ZoneSettings
    from edgeclf_runtime.pipeline.shared_model import SharedModel
    from edgeclf_runtime.pipeline.watched import ModelFollower
    from edgeclf_runtime.pipeline.zone import Zone
    from edgeclf_runtime.pipeline.zones import ZonesPipeline
    from edgeclf_runtime.sinks import Sink
    from edgeclf_runtime.sources import Source, StateListener
    from edgeclf_runtime.updates.probation import Probation

__all__ = ["OpenModel", "ZonedRun", "gap_of"]


@dataclass
class OpenModel:
    """An open model file.

    Attributes:
        classifier: classifier of the file, or of its last good copy.
        refused: why the copy is used; empty if it is not.
        followers: watchers that offer new models.
        probation: counts the deaths of the process; None in a run that ends.
    """

    classifier: Classifier
    refused: str
    followers: Sequence[ModelFollower]
    probation: Probation | None = None


@dataclass
class ZonedRun:
    """What zones need from the run, at the start and when the page changes them.

    Attributes:
        chosen: the settings in force.
        model: path of the model for zones that name none.
        opened, models: all models, by path.
        waits: whether a camera's source can wait, by camera name.
        pipeline: the pipeline that the zones are added to.
        as_json: whether JSON lines are printed.
    """

    chosen: RunSettings
    model: Path
    opened: Mapping[Path, OpenModel]
    models: Mapping[Path, SharedModel]
    waits: Mapping[str, bool]
    pipeline: ZonesPipeline
    as_json: bool

    def open_cameras(self) -> None:
        """Open the cameras that have zones, except those that may be missing.

        Raises:
            SourceError: some cannot be opened; the message names all of them.
        """
        used = {zone.camera for zone in self.chosen.zones}
        cameras = [camera for camera in self.chosen.cameras if camera.name in used]
        self.pipeline.open([camera.name for camera in cameras if not camera.options.wait])

    def open_camera(self, name: str, listener: StateListener) -> Source:
        """Open a camera; its zones rotate and crop the images."""
        from edgeclf_runtime.pictures.preprocess import min_side
        from edgeclf_runtime.sources import open_source

        camera = self._camera(name)
        own = [(zone, self._classifier(zone).card) for zone in self.chosen.zones if zone.camera == name]
        options = replace(camera.options, rotate=None, flip=None)
        turns = camera.options.turns or any(camera.options.rotate is None and card.view.turns for _, card in own)
        if turns:  # a JPEG that is rotated is decoded at full size
            options = replace(options, min_decoded_size=0)
        elif options.fast_decode and not options.min_decoded_size and own:
            sides = [min_side(card.preprocessing, (zone.region or card.view.region)[2:]) for zone, card in own]
            options = replace(options, min_decoded_size=max(sides))
        settings = replace(self.chosen, source=camera.source, camera=camera.options)
        return open_source(camera.source, options, listener, watch_memory(Path(name), settings, self.as_json))

    def add_all(self) -> None:
        """Add all zones, at the start.

        Raises:
            SinkError: a sink cannot be opened.
        """
        for zone in self.chosen.zones:
            made = self._made(zone)
            self._add(zone, made, self._own_sinks(zone, made))

    def _own_sinks(self, zone: ZoneSettings, made: Zone) -> list[Sink]:
        from edgeclf_runtime.pipeline.zone_sinks import open_zone_sinks

        gap = gap_of(zone, self.chosen, self.waits)
        return open_zone_sinks(self.chosen, zone, self._classifier(zone), gap, made.control)

    def _add(self, zone: ZoneSettings, made: Zone, sinks: Sequence[Sink]) -> None:
        self.pipeline.add(made, self.models[zone.model or self.model], sinks)

    def change(self, chosen: RunSettings, keep: Callable[[], None]) -> None:
        """Switch to the zones of these settings; see ``zone_changes.Change``."""
        from edgeclf_runtime.sinks.sink import ZoneName

        if not self.pipeline.is_running:
            raise SinkError("edgeclf does not run at the moment; the zones are as before.")
        earlier = self.chosen
        before = {(zone.camera, zone.name): zone for zone in earlier.zones}
        after = {(zone.camera, zone.name): zone for zone in chosen.zones}
        self.chosen = chosen
        try:
            with ExitStack() as undo:
                added = [self._prepared(zone, undo) for key, zone in after.items() if key not in before]
                self.open_cameras()
                keep()
                undo.pop_all()
        except BaseException:
            self.chosen = earlier
            raise
        for key in before.keys() - after.keys():
            self.pipeline.remove(ZoneName(*key))
        for key in before.keys() & after.keys():
            if before[key] != after[key]:
                self.pipeline.move(self._made(after[key]))
        for new in added:
            self._add(*new)

    def _prepared(self, zone: ZoneSettings, undo: ExitStack) -> tuple[ZoneSettings, Zone, list[Sink]]:
        made = self._made(zone)
        sinks = self._own_sinks(zone, made)
        for sink in sinks:
            undo.callback(sink.close)
        return zone, made, sinks

    def _made(self, zone: ZoneSettings) -> Zone:
        from edgeclf_runtime.pictures.view import GivenView
        from edgeclf_runtime.pipeline.zone import Zone
        from edgeclf_runtime.sinks.sink import ZoneName

        options = self._camera(zone.camera).options
        view = GivenView(zone.region, options.rotate, options.flip, zone.polygon)
        return Zone(self._classifier(zone), zone.decision, zone.gate, view, ZoneName(zone.camera, zone.name))

    def _classifier(self, zone: ZoneSettings) -> Classifier:
        return self.opened[zone.model or self.model].classifier

    def _camera(self, name: str) -> CameraSettings:
        return _camera(name, self.chosen)


def gap_of(zone: ZoneSettings, chosen: RunSettings, waits: Mapping[str, bool]) -> float:
    """Return the longest time between two answers of a zone, in seconds; 0 for a source that waits."""
    return 0.0 if waits[zone.camera] else longest_gap(zone.gate, _camera(zone.camera, chosen).options)


def _camera(name: str, chosen: RunSettings) -> CameraSettings:
    return next(camera for camera in chosen.cameras if camera.name == name)
