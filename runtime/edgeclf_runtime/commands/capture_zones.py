"""Photograph a zone of run.toml as the network will see it."""

from __future__ import annotations

import threading
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Callable

from edgeclf_runtime.errors import SourceError, UsageError
from edgeclf_runtime.pictures.view import GivenView, View
from edgeclf_runtime.renamed import meant

if TYPE_CHECKING:
    from edgeclf_runtime.config.zones import CameraSettings, ZoneSettings
    from edgeclf_runtime.frame import Frame
    from edgeclf_runtime.sources import Source, StateListener

__all__ = ["ZoneChoice"]


class ZoneChoice:
    """The zones of run.toml, including those drawn on the page, one of them chosen; safe to use from any thread.

    Args:
        config: path of run.toml.
        zone: name of the zone to start with; empty for the first.
        card: view of the model card, for values that the zone does not set.

    Attributes:
        names: names of all zones.
        zone: name of the chosen zone.

    Raises:
        UsageError: run.toml is invalid, has no zones, or no such zone.
    """

    def __init__(self, config: Path, zone: str, card: View) -> None:
        from edgeclf_runtime.config.settings import read_settings
        from edgeclf_runtime.pipeline.zone_changes import settings_and_changes

        chosen, _ = settings_and_changes(read_settings(config), {}, str(config), Path(), None)
        if not chosen.zones:
            raise UsageError(f"{config}: no [[zone]] and no [[camera]]; without them give --source and --region.")
        self._config, self._card = config, card
        self._zones = {one.name: one for one in chosen.zones}
        self._cameras = {camera.name: camera for camera in chosen.cameras}
        self.names = tuple(self._zones)
        self._source: Source | None = None
        self._lock = threading.Lock()
        self.zone = self._known(zone or self.names[0])

    def _known(self, name: str) -> str:
        if name not in self._zones:
            near = meant(name, self.names, {})
            which = f"did you mean {near}?" if near else f"its zones: {', '.join(self.names)}."
            raise UsageError(f"{self._config}: no zone {name!r}; {which}")
        return name

    def choose(self, name: str) -> None:
        """Switch to another zone, from its camera's next frame on.

        Raises:
            UsageError: there is no such zone.
        """
        with self._lock:
            before, self.zone = self._now.camera, self._known(name)
            source = self._source if self._now.camera != before else None
        if source is not None:
            source.close()

    @property
    def _now(self) -> ZoneSettings:
        return self._zones[self.zone]

    def frames(
        self, listener: StateListener | None, opened: Callable[[str], object], *, reopen: bool
    ) -> Generator[Frame, None, None]:
        """Yield the frames of the chosen zone, rotated, cropped and masked, until its camera ends.

        Args:
            listener: called with the states of the camera.
            opened: called with the description of each camera that is opened.
            reopen: wait for a camera that is lost or missing.

        Raises:
            SourceError: a camera cannot be opened, or is lost.
        """
        while True:
            camera = self._cameras[self._now.camera]
            try:
                yield from self._frames_of(camera, listener, opened, reopen)
            except SourceError:
                if self._now.camera == camera.name:
                    raise
            if self._now.camera == camera.name:
                return

    def _frames_of(
        self, camera: CameraSettings, listener: StateListener | None, opened: Callable[[str], object], reopen: bool
    ) -> Generator[Frame, None, None]:
        from edgeclf_runtime.sources import is_camera, open_source

        plain = replace(camera.options, rotate=None, flip=None, fast_decode=False, min_decoded_size=0, watch=False)
        options = replace(plain, reopen=reopen, wait=reopen, realtime=True)
        with open_source(camera.source, options, listener) as source:
            with self._lock:
                self._source = source
            opened(source.description)
            if self._now.camera != camera.name:  # switched meanwhile
                return
            for frame in source:
                zone = self._now
                if zone.camera != camera.name:
                    return
                given = GivenView(zone.region, camera.options.rotate, camera.options.flip, zone.polygon)
                yield _seen(frame, given.over(self._card, is_camera(source)))


def _seen(frame: Frame, view: View) -> Frame:
    """Return the part of a frame that the network sees; it loses its original JPEG if that is not the whole frame."""
    return replace(frame, pixels=view.see(frame.pixels), jpeg=None, unturned=None) if view.changes else frame
