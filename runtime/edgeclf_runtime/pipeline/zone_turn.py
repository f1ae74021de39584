"""A zone's turns: take the camera's newest frame, classify it and pass the observation on."""

from __future__ import annotations

import functools
import time
from collections import deque
from collections.abc import Sequence
from typing import Callable, Protocol

from edgeclf_runtime.decision.gap import Gaps
from edgeclf_runtime.frame import Frame, FrameOnDemand
from edgeclf_runtime.pipeline.shared_frame import SharedFrame
from edgeclf_runtime.pipeline.shared_model import SharedModel
from edgeclf_runtime.pipeline.zone import Prepared, Zone
from edgeclf_runtime.sinks.outlet import Outlet

__all__ = ["Camera", "ZoneTurn"]


class Camera(Protocol):
    """A zone's view of its camera; see ``feed.Feed``."""

    is_live: bool
    is_camera: bool
    has_pauses: bool
    skips: bool

    @property
    def count(self) -> Callable[[], bool]: ...

    def taken(self) -> None: ...

    def decoded(self) -> None: ...


class ZoneTurn:
    """See ``scheduler.Turn``.

    Args:
        zone: decides on frames and answers.
        model: gives its classifier.
        feed: gives its camera's frames.
        outlets: outlets of the sinks that get its observations.

    Attributes:
        frames: number of frames that were classified.
    """

    def __init__(self, zone: Zone, model: SharedModel, feed: Camera, outlets: Sequence[Outlet]) -> None:
        self.zone, self.model, self.device, self.outlets = zone, model, model.device, outlets
        self._moved = deque[Zone](maxlen=1)
        self._feed, self._gaps, self._follows_gap = feed, Gaps(), False
        self._waiting: SharedFrame | None = None
        self._rests_until = 0.0
        self._ended = time.perf_counter()
        self.frames = 0

    @property
    def is_free(self) -> bool:
        """Return whether the last frame offered has been taken."""
        return self._waiting is None

    def offer(self, frame: SharedFrame) -> None:
        """Take this frame next, replacing a waiting one; call it with the scheduler's lock held.

        A paused zone takes none.
        """
        self.drop()
        if self.zone.control.paused.is_set():
            frame.done()
        else:
            self._waiting = frame

    def move(self, zone: Zone) -> None:
        """Switch to another part of the image, without the history of the old one, from the next frame on."""
        zone.control = self.zone.control
        self._moved.append(zone)

    def drop(self) -> None:
        """Skip the waiting frame; call it with the scheduler's lock held."""
        if self._waiting is not None:
            self._waiting.done()
        self._waiting = None

    def is_ready(self, now: float) -> bool:
        """See ``Turn``."""
        waiting = self._waiting
        return waiting is not None and now >= self._rests_until and not waiting.is_being_decoded

    def run(self) -> None:
        """See ``Turn``."""
        frame, self._waiting = self._waiting, None
        if frame is None:
            return
        self._feed.taken()
        if self.zone.control.paused.is_set():  # set after the frame was offered
            return frame.done()
        if self._moved:
            self.zone = self._moved.pop()
        classifier = self.model.borrow()
        try:
            if classifier is not self.zone.classifier:
                self.zone.adopt(classifier)
            self._look_at(frame)
        finally:
            self.model.give_back(classifier)
            frame.done()

    def _look_at(self, shared: SharedFrame) -> None:
        classifier, passes = self.zone.classifier, None
        view = self.zone.view_of(classifier, self._feed.is_camera)
        if shared.moment is not None:
            self._note_gap(shared.moment)
            passes = self.zone.gate.look(shared.moment, shared.glimpse, view, self._feed.skips)
            if passes is False:
                self._feed.decoded()
                decode = functools.partial(shared.viewed, classifier, view)
                return self._glance(FrameOnDemand(shared.moment, decode))
        frame = shared.viewed(classifier, view)
        self._feed.decoded()
        if frame is None:
            return
        if shared.moment is None:
            self._note_gap(frame.moment)
        delay = None if self._feed.skips or frame.film_time is not None else self._rest
        admitted = self.zone.gate.admit(frame, delay, passes is True)
        if admitted is None:
            return self._glance(frame)
        prepared = Prepared(frame, classifier.fit(admitted), classifier, self._follows_gap)
        self._follows_gap = False
        prediction = classifier.score(prepared.fitted)
        now = time.perf_counter()
        waited = (now - self._ended) * 1e3 - prediction.milliseconds["invoke"]
        self._ended = now
        item = self.zone.observed(prepared, prediction, max(0.0, waited))
        if self._feed.count():
            self.frames += 1
            for outlet in self.outlets:
                outlet.put(item)

    def _note_gap(self, moment: float) -> None:
        if self._gaps.ends_at(moment) and self._feed.has_pauses:
            self._follows_gap = True

    def _rest(self, seconds: float) -> None:
        self._rests_until = time.monotonic() + seconds

    def _glance(self, frame: Frame | FrameOnDemand) -> None:
        for outlet in self.outlets:
            if (glance := getattr(outlet.sink, "glance", None)) is not None:
                glance(frame)
