"""Frames to observations to sinks: the loop of an unattended device."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Callable

from edgeclf_runtime.backends.pool import in_order
from edgeclf_runtime.classifier import Classifier, Fitted
from edgeclf_runtime.decision.decision import Decider, Decision, DecisionRule
from edgeclf_runtime.decision.gap import Gaps
from edgeclf_runtime.decision.gate import Gate, GateRule
from edgeclf_runtime.errors import ImageError
from edgeclf_runtime.frame import Frame
from edgeclf_runtime.pictures.preprocess import min_side
from edgeclf_runtime.pictures.view import GivenView, View
from edgeclf_runtime.prediction import Prediction
from edgeclf_runtime.sinks import ModelState, Observation, Sink
from edgeclf_runtime.sinks.outlet import Outlet
from edgeclf_runtime.sources import Source, SourceState, Undecoded, is_camera
from edgeclf_runtime.system.ahead import Ahead

__all__ = ["Pipeline"]

_log = logging.getLogger(__name__)
_DRAIN = 1.0  # seconds the sinks have to finish
_LAST = 0.4  # the same to close after what they still had was given up
_PATIENT = 600.0  # to finish, where nothing is to be lost and nobody waits


@dataclass(frozen=True, eq=False)
class _Prepared:
    """A frame, what is classified of it, by what, and whether a gap of the source lies before it."""

    frame: Frame
    fitted: Fitted
    classifier: Classifier
    after_gap: bool = False


class Pipeline:
    """Classify a source's frames, decide on an answer and hand both to sinks, until the source ends.

    It takes from the source as fast as frames are let through and classified. Frames that a live source gives meanwhile
    are lost, so that none that is classified is old.

    Args:
        classifier: from image to scores; closed by the caller.
        sinks: each has a thread of its own; one that is slow or fails holds up nothing.
        decision: how the scores, float32 ``[classes]`` in 0..1, become a steady answer; times in seconds.
        gate: which frames are classified, by rate in frames per second, by motion, and which region of them.
        lossless: wait for sinks that are slow instead of leaving out what they have no time for; for sources that
            can wait, such as files.
        view: the region, rotation and flip of a camera's images, in place of what the model's card says of them; the
            gate's region goes before both.

    Attributes:
        frames: number of frames that were classified.
        answer: the present Decision; None before the first frame.
        source: the Source that is run; None before.
        state: the source's last SourceState; None of a source that has none.
        outlets: the sinks with their queues, until they are closed.
        stopping: an event, set when it was told to end.
    """

    def __init__(
        self,
        classifier: Classifier,
        sinks: Sequence[Sink],
        decision: DecisionRule | None = None,
        gate: GateRule | None = None,
        lossless: bool = False,
        view: GivenView | None = None,
    ) -> None:
        self._given = self._classifier = self._newest = classifier
        self._offered: Classifier | None = None
        self._offering = threading.Lock()
        self._decider = Decider(decision or DecisionRule(), classifier.card.threshold)
        rule = gate or GateRule()
        if decision is not None and decision.hold:  # frames must come for as long, also of a scene that is still again
            rule = replace(rule, linger=max(rule.linger, decision.hold + 1.0))
        self._film_gaps = Gaps()
        self._gate, given = Gate(rule), view or GivenView()
        self._view = given if rule.region is None else replace(given, region=rule.region)
        self.outlets = [Outlet(sink, lossless) for sink in sinks]
        for sink in sinks:
            if (follow := getattr(sink, "follow", None)) is not None:
                follow(self.outlets)
        self._lossless, self.stopping = lossless, threading.Event()
        self._view_in_force = View()  # of the newest classifier, known once the source is
        self._began: dict[int, float] = {}  # by thread, with the present frame
        self.frames = 0
        self.answer: Decision | None = None
        self.source: Source | None = None
        self.state: SourceState | None = None

    def tell(self, state: SourceState | ModelState) -> None:
        """The listener to open the source with."""
        if isinstance(state, SourceState):
            self.state = state
        for outlet in self.outlets:
            outlet.put(state)

    def offer(self, classifier: Classifier) -> None:
        """Take another classifier, and own it, from the next frame on; from any thread."""
        with self._offering:
            before, self._offered = self._offered, classifier
        if before is not None:
            before.close()

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the model in use."""
        return self._classifier.card.labels

    @property
    def backend(self) -> str:
        """Its name."""
        return self._classifier.backend.name

    @property
    def working(self) -> float:
        """Seconds since the present frame came; 0 while it waits for one, or for a sink that must lose nothing."""
        return max((time.monotonic() - began for began in list(self._began.values())), default=0.0)

    def run(self, source: Source, max_frames: int | None = None) -> None:
        """Run until the source ends, ``max_frames`` were classified, or ``stop``.

        It closes the source and the sinks: a pipeline runs once.

        Args:
            source: as ``open_source`` gives it; its frames are uint8 RGB ``[height, width, 3]``.
            max_frames: to classify; None for no bound.

        Raises:
            SourceError: the source is lost and is not to be opened again.
        """
        self.source = source
        self._view_in_force = self._view_of(self._newest)
        if self.stopping.is_set():  # told before there was anything to stop
            source.close()
        try:
            with closing(self._results(source)) as results, source:
                start = time.perf_counter()
                for prepared, prediction in results:
                    if self.stopping.is_set():
                        break
                    waited = (time.perf_counter() - start) * 1e3 - prediction.milliseconds["invoke"]
                    self._hand_on(self._observed(prepared, prediction, max(0.0, waited)))
                    self._finish(prepared.frame)
                    start = time.perf_counter()
                    if max_frames is not None and self.frames >= max_frames:
                        break
        except KeyboardInterrupt:
            self.stopping.set()
            raise
        finally:
            self.close()

    def _results(self, source: Source) -> Generator[tuple[_Prepared, Prediction], None, None]:
        """Of the frames that are let through, in their order; to be closed after the source."""
        lanes = self._classifier.backend.lanes
        if lanes > 1 and isinstance(source, Undecoded) and not self._gate.follows:
            # Each lane does all of a frame: handing it from thread to thread costs a fifth of the speed.
            yield from filter(None, in_order(self._whole, self._chosen(source), lanes))
            return
        with Ahead(self._prepared(source)) as ahead:
            yield from in_order(self._score, ahead, lanes)

    def _chosen(self, source: Undecoded) -> Iterator[tuple[Callable[[], Frame | None], Classifier, View]]:
        for decode in source.undecoded():
            if self.stopping.is_set():
                return
            yield decode, *self._current()

    def _whole(
        self, chosen: tuple[Callable[[], Frame | None], Classifier, View]
    ) -> tuple[_Prepared, Prediction] | None:
        """All of one frame; None for one that is damaged."""
        (decode, classifier, view), me = chosen, threading.get_ident()
        self._began[me] = time.monotonic()
        try:
            frame = decode()
            frame = frame.viewed(view) if frame is not None else None
            admitted = self._gate.admit(self._large_enough(frame, classifier)) if frame is not None else None
            if frame is None or admitted is None:
                self._glance(frame)
                return None
            fitted = classifier.fit(admitted)
            return _Prepared(frame, fitted, classifier), classifier.score(fitted)
        finally:
            del self._began[me]

    def _current(self) -> tuple[Classifier, View]:
        """The newest one, from now on the one that was offered, and what it sees of each frame."""
        with self._offering:
            if self._offered is not None:
                self._newest, self._offered = self._offered, None
                self._view_in_force = self._view_of(self._newest)
            return self._newest, self._view_in_force

    def _prepared(self, source: Source) -> Iterator[_Prepared]:
        """Frames that are let through, as the network takes them; made in a thread of its own.

        From the first one on that is made for it, the classifier that was offered takes the place of the one before.
        """
        gaps, after_gap, pauses = Gaps(), False, not getattr(source, "at_rest", False)
        for frame in source:
            if self.stopping.is_set():
                return
            after_gap = (pauses and gaps.ends_at(frame.moment)) or after_gap
            classifier, view = self._current()
            delay = None if source.live or frame.film_time is not None else self.stopping.wait
            frame = frame.viewed(view)
            admitted = self._gate.admit(self._large_enough(frame, classifier), delay)
            if admitted is None:
                self._glance(frame)
            else:
                yield _Prepared(frame, classifier.fit(admitted), classifier, after_gap)
                after_gap = False

    def _view_of(self, classifier: Classifier) -> View:
        """What a network sees of the source's images."""
        return self._view.over(classifier.card.view, self.source is not None and is_camera(self.source))

    def _glance(self, frame: Frame | None) -> None:
        """Show a frame that is not classified to the sinks that show what the camera sees."""
        for outlet in self.outlets if frame is not None else ():
            glance = getattr(outlet.sink, "glance", None)
            if glance is not None:
                glance(frame)
        if frame is not None:
            self._finish(frame)

    def _finish(self, frame: Frame) -> None:
        """Tell a source that wants to know."""
        finish = getattr(self.source, "finish", None)
        if finish is not None:
            finish(frame)

    def _large_enough(self, frame: Frame, classifier: Classifier) -> Frame:
        """A JPEG decoded at a part of its size for a model whose place a larger one took is decoded again."""
        needed = min_side(classifier.card.preprocessing, (frame.view.region[2], frame.view.region[3]))
        if frame.jpeg is None or min(frame.pixels.shape[:2]) >= needed:
            return frame
        try:
            return replace(frame, pixels=frame.whole())
        except ImageError:  # damaged where it was not decoded; then it is enlarged
            return frame

    def _score(self, prepared: _Prepared) -> tuple[_Prepared, Prediction]:
        self._began[threading.get_ident()] = time.monotonic()
        try:
            return prepared, prepared.classifier.score(prepared.fitted)
        finally:
            del self._began[threading.get_ident()]

    def _observed(self, prepared: _Prepared, prediction: Prediction, waited: float) -> Observation:
        if prepared.classifier is not self._classifier:
            self._adopt(prepared.classifier)
        frame, spent = prepared.frame, {"capture": waited, **prediction.milliseconds}
        # The whole image goes on to the sinks, whatever part of it was classified.
        prediction = replace(prediction, milliseconds=spent, frame=frame)
        in_film = frame.film_time is not None and not self._gate.follows  # and read by several threads at once
        if prepared.after_gap or (in_film and self._film_gaps.ends_at(frame.moment)):
            self._decider.forget()
        self.answer = self._decider.decide(prediction, frame.moment)
        return Observation(prediction, self.answer, *_times(frame.time))

    def _adopt(self, new: Classifier) -> None:
        """Answers come in order: none of the classifier before is still to come."""
        if (view := self._view_of(new)) != self._view_of(self._classifier):
            _log.warning("%s: the network now sees of each picture: %s.", new.path, view)
        self._classifier.close()
        self._classifier = new
        self._decider.follow(new.card.labels, new.card.threshold)
        self.tell(ModelState("adopted", str(new.path), new.card.labels))

    def _hand_on(self, item: Observation) -> None:
        self.frames += 1
        for outlet in self.outlets:
            outlet.put(item)

    def stop(self) -> None:
        """End ``run`` after the present frame; from another thread, not from a signal's handler: it waits."""
        self.stopping.set()
        for outlet in self.outlets:
            outlet.end()  # or a lossless one might wait for room that never comes
        if self.source is not None:
            self.source.close()

    def close(self) -> None:
        """Give the sinks a moment to finish; safe to call twice."""
        outlets, self.outlets = self.outlets, []
        patient = self._lossless and not self.stopping.is_set()
        until = time.monotonic() + (_PATIENT if patient else _DRAIN)
        for outlet in outlets:
            outlet.end()
        late = [outlet for outlet in outlets if not outlet.wait(max(0.0, until - time.monotonic()))]
        for outlet in late:
            outlet.give_up()
        until = time.monotonic() + _LAST
        for outlet in late:
            outlet.wait(max(0.0, until - time.monotonic()))
        for classifier in (self._offered, self._newest, self._classifier):
            if classifier is not None and classifier is not self._given:
                classifier.close()


def _times(moment: float) -> tuple[float, float]:
    """Of a frame's monotonic moment: seconds since 1970, and its age."""
    age = time.monotonic() - moment
    return time.time() - age, age
