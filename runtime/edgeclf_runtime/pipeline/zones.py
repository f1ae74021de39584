"""Many cameras, zones and models in one process: cameras feed zones, and a scheduler shares the processor."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from edgeclf_runtime.decision.decision import Decision
from edgeclf_runtime.errors import SourceError
from edgeclf_runtime.pipeline.feed import Feed
from edgeclf_runtime.pipeline.outlets import close_outlets, opened_outlets
from edgeclf_runtime.pipeline.scheduler import Scheduler
from edgeclf_runtime.pipeline.shared_model import SharedModel
from edgeclf_runtime.pipeline.zone import Zone
from edgeclf_runtime.pipeline.zone_turn import ZoneTurn
from edgeclf_runtime.sinks import ModelState, Sink
from edgeclf_runtime.sinks.outlet import Outlet
from edgeclf_runtime.sinks.sink import ZoneName
from edgeclf_runtime.sources import Source, SourceState

__all__ = ["ZonesPipeline"]


class ZonesPipeline:
    """Classifies the frames of all cameras for their zones until all cameras have ended.

    If one camera is lost for good, the others continue, and its error is raised at the end.

    Args:
        cameras: opens each camera, by name; called with the listener for its states.
        shared: sinks of all zones.
        cores: maximum number of frames processed at a time on the processor.
        lossless: wait for slow sinks instead of dropping observations; only if all sources can wait.

    Attributes:
        frames: number of frames that were classified, of all zones.
        stopping: an event that is set once ``stop`` was called.
        outlets: all sinks with their queues, until they are closed.
    """

    def __init__(
        self,
        cameras: Mapping[str, Callable[[Callable[[SourceState], None]], Source]],
        shared: Sequence[Sink],
        cores: int,
        lossless: bool = False,
    ) -> None:
        self._states: dict[str, SourceState] = {}
        self._feeds = {name: Feed(name, self._opener(name, opens), self._count) for name, opens in cameras.items()}
        self._turns: list[ZoneTurn] = []
        self._of_camera: dict[str, list[Outlet]] = {}  # of its zones' own sinks
        self._models: list[SharedModel] = []
        self._lossless, self._cores = lossless, cores
        self.outlets: list[Outlet] = []
        self._shared = opened_outlets(shared, lossless, self.outlets)
        self.outlets += self._shared
        self.stopping = threading.Event()
        self._handing, self._limit = threading.Lock(), 0
        self.frames = 0
        self._scheduler: Scheduler | None = None

    def _opener(self, name: str, opens: Callable[[Callable[[SourceState], None]], Source]) -> Callable[[], Source]:
        return lambda: opens(lambda state: self.tell(replace(state, camera=name)))

    def add(self, zone: Zone, model: SharedModel, own: Sequence[Sink]) -> None:
        """Add a zone with its own sinks in addition to the shared ones; while running, its model must be shared."""
        camera, outlets = zone.name.camera, opened_outlets(own, self._lossless, self.outlets, zone.name)
        self.outlets += outlets  # the same list, which sinks follow
        model.outlets = [*model.outlets, *outlets]
        self._of_camera[camera] = [*self._of_camera.get(camera, ()), *outlets]
        turn = ZoneTurn(zone, model, self._feeds[camera], [*self._shared, *outlets])
        if self._scheduler is None:
            self._turns = [*self._turns, turn]
            self.share(model)
            return
        if (state := self._states.get(camera)) is not None:  # reported before the zone was added
            for outlet in outlets:
                outlet.put(state)
        with self._scheduler.changed:
            self._turns = [*self._turns, turn]
            self._scheduler.add(turn)
            self._serve(camera, self._scheduler)

    def share(self, model: SharedModel) -> None:
        """Own a model, which zones added later may use."""
        if model not in self._models:
            self._models.append(model)

    def move(self, zone: Zone) -> None:
        """Switch the zone of this name to another part of the images from its next frame on."""
        self._turn(zone.name).move(zone)

    def remove(self, name: ZoneName) -> None:
        """Remove a zone while running; its own sinks finish and are closed."""
        turn, scheduler = self._turn(name), self._scheduler
        assert scheduler is not None
        with scheduler.changed:
            self._turns = [other for other in self._turns if other is not turn]
            self._serve(name.camera, scheduler)
            scheduler.remove(turn)
        own = [outlet for outlet in turn.outlets if outlet not in self._shared]
        self.outlets[:] = [outlet for outlet in self.outlets if outlet not in own]
        self._of_camera[name.camera] = [outlet for outlet in self._of_camera[name.camera] if outlet not in own]
        turn.model.outlets = [outlet for outlet in turn.model.outlets if outlet not in own]
        close_outlets(own, patient=False)

    def _turn(self, name: ZoneName) -> ZoneTurn:
        return next(turn for turn in self._turns if turn.zone.name == name)

    def _serve(self, camera: str, scheduler: Scheduler) -> None:
        self._feeds[camera].serve([turn for turn in self._turns if turn.zone.name.camera == camera], scheduler)

    @property
    def is_running(self) -> bool:
        """Whether zones can be added, moved and removed."""
        return self._scheduler is not None and not self.stopping.is_set()

    def tell(self, state: SourceState | ModelState) -> None:
        """Pass a state on to the shared sinks, and a camera's to its zones' own sinks."""
        own: Sequence[Outlet] = ()
        if isinstance(state, SourceState):
            self._states[state.camera] = state
            own = self._of_camera.get(state.camera, ())
        for outlet in (*self._shared, *own):
            outlet.put(state)

    def open(self, names: Sequence[str]) -> None:
        """Open those of these cameras that are not open, in parallel; ``run`` opens the others in the background.

        Raises:
            SourceError: some cannot be opened; the message names all of them.
        """
        wrong: dict[str, SourceError] = {}
        names = [name for name in names if self._feeds[name].source is None]

        def attempt(name: str) -> None:
            try:
                self._feeds[name].open()
            except SourceError as error:
                wrong[name] = error

        threads = [threading.Thread(target=attempt, args=(name,), daemon=True) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        _raise({name: wrong[name] for name in names if name in wrong})

    def run(self, max_frames: int | None = None, began: Callable[[], None] | None = None) -> None:
        """Run until all cameras have ended, ``max_frames`` were classified in total, or ``stop``; closes everything.

        Args:
            began: called once zones can be added, moved and removed.

        Raises:
            SourceError: cameras were lost and are not reopened; the message names all of them.
        """
        self._limit = max_frames or 0
        self._scheduler = scheduler = Scheduler(self._turns, self._cores)
        try:
            scheduler.start()
            with scheduler.changed:
                for name in self._feeds:
                    self._serve(name, scheduler)
                if began is not None:
                    began()
                while not (self.stopping.is_set() or self._is_over(scheduler)):
                    scheduler.rested.wait(0.5)
        finally:
            self.close()
        if scheduler.error is not None:
            raise scheduler.error
        _raise({name: feed.error for name, feed in self._feeds.items() if feed.error is not None})

    def _is_over(self, scheduler: Scheduler) -> bool:
        has_enough = bool(self._limit) and self.frames >= self._limit
        has_ended = all(feed.is_done for feed in self._feeds.values()) and scheduler.is_idle
        return has_enough or has_ended or scheduler.error is not None

    def _count(self) -> bool:
        with self._handing:
            if self.stopping.is_set() or (self._limit and self.frames >= self._limit):
                return False
            self.frames += 1
            is_last = self.frames == self._limit
        if is_last and self._scheduler is not None:
            self._scheduler.wake()
        return True

    def stop(self) -> None:
        """End ``run``; call it from another thread, not from a signal handler: it blocks."""
        self.stopping.set()
        for outlet in self.outlets:
            outlet.release()
        if self._scheduler is not None:
            self._scheduler.wake()

    def close(self) -> None:
        """Close cameras and sinks; safe to call twice."""
        patient = self._lossless and not self.stopping.is_set()
        self.stopping.set()
        if self._scheduler is not None:
            closers = [threading.Thread(target=feed.stop, daemon=True) for feed in self._feeds.values()]
            for closer in closers:
                closer.start()
            self._scheduler.close()
            until = time.monotonic() + 1.0
            for closer in closers:
                closer.join(max(0.0, until - time.monotonic()))
        outlets, self.outlets = self.outlets, []
        close_outlets(outlets, patient)
        for model in self._models:
            model.close()

    @property
    def working(self) -> float:
        """Seconds that the slowest of the current frames has taken so far."""
        return self._scheduler.longest if self._scheduler is not None else 0.0

    @property
    def source(self) -> Source | None:
        """A source that hangs if there is one; else any."""
        feeds = sorted(self._feeds.values(), key=lambda feed: not feed.hangs)
        return next((feed.source for feed in feeds if feed.source is not None), None)

    @property
    def answer(self) -> Decision | None:
        """The first zone's answer; None before its first frame."""
        return self._turns[0].zone.answer if self._turns else None

    @property
    def state(self) -> SourceState | None:
        """The worst state of all cameras; None if no source has states."""
        return min(self._states.values(), key=lambda state: state.name == "running", default=None)

    def description(self, camera: str) -> str:
        """Return what a camera reads; empty until it is open."""
        source = self._feeds[camera].source
        return source.description if source is not None else ""

    @property
    def counts(self) -> dict[ZoneName, int]:
        """Numbers of classified frames, by camera and zone."""
        return {turn.zone.name: turn.frames for turn in self._turns}


def _raise(errors: Mapping[str, SourceError]) -> None:
    """Raise one error for those of all cameras, if there are any."""
    if errors:
        lines = [f"camera {name}: {str(error).rstrip('.')}" for name, error in errors.items()]
        raise SourceError(f"{'; '.join(lines)}.")
