"""The main loop of an unattended device: classify frames, decide, and pass observations to sinks."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Callable

from edgeclf_runtime.backends.pool import in_order
from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.decision.decision import Decision, DecisionRule
from edgeclf_runtime.decision.gate import GateRule
from edgeclf_runtime.frame import Frame, FrameOnDemand
from edgeclf_runtime.pictures.view import GivenView, View
from edgeclf_runtime.pipeline.due import due_frames
from edgeclf_runtime.pipeline.outlets import close_outlets, opened_outlets
from edgeclf_runtime.pipeline.zone import Prepared, Zone, viewed
from edgeclf_runtime.prediction import Prediction
from edgeclf_runtime.sinks import ModelState, Observation, Sink
from edgeclf_runtime.sources import Source, SourceState, Undecoded, is_camera
from edgeclf_runtime.system.ahead import Ahead

__all__ = ["Pipeline"]

_log = logging.getLogger(__name__)


class Pipeline:
    """Classifies a source's frames, decides on an answer and passes both to sinks, until the source ends.

    Frames are taken as fast as they can be classified. A live source drops the frames in between, so that classified
    frames are never old.

    Args:
        classifier: classifies the frames; closed by the caller.
        sinks: each runs in its own thread; a slow or failing sink does not delay the others.
        decision: how the scores, float32 ``[classes]`` in 0..1, become a steady answer; times in seconds.
        gate: which frames are classified, by rate in frames per second, by motion, and which region of them.
        lossless: wait for slow sinks instead of dropping observations; for sources that can wait, such as files.
        view: region, rotation and flip of a camera's images, in place of those in the model card; the gate's region
            takes precedence over both.

    Attributes:
        frames: number of frames that were classified.
        source: the Source in use; None before the run.
        state: the source's last SourceState; None if the source has no states.
        outlets: the sinks with their queues, until they are closed.
        stopping: an event that is set once ``stop`` was called.
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
        self._zone = Zone(classifier, decision or DecisionRule(), gate or GateRule(), view or GivenView())
        self._gate = self._zone.gate
        self.outlets = opened_outlets(sinks, lossless)
        self._lossless, self.stopping = lossless, threading.Event()
        self._handing = threading.Lock()
        self._view_in_force = View()  # view of the newest classifier, known once the source is
        self._began: dict[int, float] = {}  # start of the current frame, by thread
        self.frames = 0
        self.source: Source | None = None
        self.state: SourceState | None = None

    def tell(self, state: SourceState | ModelState) -> None:
        """Pass a state on to the sinks; the listener of the source."""
        if isinstance(state, SourceState):
            self.state = state
        for outlet in self.outlets:
            outlet.put(state)

    def offer(self, classifier: Classifier) -> None:
        """Switch to another classifier, and own it, from the next frame on; may be called from any thread."""
        with self._offering:
            before, self._offered = self._offered, classifier
        if before is not None:
            before.close()

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the model in use."""
        return self._classifier.card.labels

    @property
    def has_several_labels(self) -> bool:
        """Whether the model in use gives several labels per image."""
        return self._classifier.card.has_several_labels

    @property
    def answer(self) -> Decision | None:
        """The current answer; None before the first frame."""
        return self._zone.answer

    @property
    def backend(self) -> str:
        """Name of the backend in use."""
        return self._classifier.backend.name

    @property
    def working(self) -> float:
        """Seconds spent on the current frame; 0 while waiting for a frame or for a lossless sink."""
        return max((time.monotonic() - began for began in list(self._began.values())), default=0.0)

    def run(self, source: Source, max_frames: int | None = None) -> None:
        """Run until the source ends, ``max_frames`` were classified, or ``stop``.

        Closes the source and the sinks at the end, so a pipeline can run only once.

        Args:
            source: as ``open_source`` gives it; its frames are uint8 RGB ``[height, width, 3]``.
            max_frames: number of frames to classify; None for no limit.

        Raises:
            SourceError: the source is lost and is not reopened.
        """
        self.source = source
        self._apply_card()
        if self.stopping.is_set():  # stopped before the run began
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

    def _results(self, source: Source) -> Generator[tuple[Prepared, Prediction], None, None]:
        """Yield the predictions for admitted frames in order; close this generator after the source."""
        lanes = self._classifier.backend.lanes
        if lanes > 1 and isinstance(source, Undecoded) and not self._gate.follows:
            # Each lane processes a frame completely: passing it between threads would cost a fifth of the speed.
            yield from filter(None, in_order(self._whole, self._chosen(source), lanes))
            return
        with Ahead(self._prepared(source)) as ahead:
            yield from in_order(self._score, ahead, lanes)

    def _chosen(self, source: Undecoded) -> Iterator[tuple[Callable[[], Frame | None], Classifier, View]]:
        for decode in source.undecoded():
            if self.stopping.is_set():
                return
            yield decode, *self._current()

    def _whole(self, chosen: tuple[Callable[[], Frame | None], Classifier, View]) -> tuple[Prepared, Prediction] | None:
        """Decode, prepare and classify a frame; return None if it is damaged."""
        (decode, classifier, view), me = chosen, threading.get_ident()
        self._began[me] = time.monotonic()
        try:
            frame = decode()
            frame = viewed(frame, classifier, view) if frame is not None else None
            admitted = self._gate.admit(frame) if frame is not None else None
            if frame is None or admitted is None:
                self._glance(frame)
                return None
            fitted = classifier.fit(admitted)
            return Prepared(frame, fitted, classifier), classifier.score(fitted)
        finally:
            del self._began[me]

    def _current(self) -> tuple[Classifier, View]:
        """Switch to the offered classifier, if any, and return the classifier in use and its view."""
        with self._offering:
            if self._offered is not None:
                self._newest, self._offered = self._offered, None
                self._apply_card()
            return self._newest, self._view_in_force

    def _apply_card(self) -> None:
        """Apply the newest classifier's view and its rule for decoding JPEGs to the source."""
        self._view_in_force = view = self._view_of(self._newest)
        decode_for = getattr(self.source, "decode_for", None)
        if decode_for is not None:
            decode_for(view.before_turning(self._newest.card.preprocessing.min_decoded_size))

    def _prepared(self, source: Source) -> Iterator[Prepared]:
        """Yield the admitted frames prepared for the network; runs in a separate thread.

        An offered classifier replaces the previous one from the first frame that is prepared for it.
        """
        after_gap, pauses = False, not getattr(source, "at_rest", False)
        frames = due_frames(source, self._gate, lambda: self._current()[1], self._glance, self._glimpsed)
        for frame, follows_gap, has_opened in frames:
            if self.stopping.is_set():
                return
            after_gap = (pauses and follows_gap) or after_gap
            classifier, view = self._current()
            delay = None if source.live or frame.film_time is not None else self.stopping.wait
            frame = viewed(frame, classifier, view)
            admitted = self._gate.admit(frame, delay, has_opened)
            if admitted is None:
                self._glance(frame)
            else:
                yield Prepared(frame, classifier.fit(admitted), classifier, after_gap)
                after_gap = False

    def _glimpsed(self, decode: Callable[[], Frame | None]) -> Frame | None:
        frame = decode()
        return None if frame is None else viewed(frame, self._newest, self._view_in_force)

    def _view_of(self, classifier: Classifier) -> View:
        """Return the view of a classifier on the source's images."""
        return self._zone.view_of(classifier, self.source is not None and is_camera(self.source))

    def _glance(self, frame: Frame | FrameOnDemand | None) -> None:
        """Pass a skipped frame to the sinks that show the camera's image."""
        for outlet in self.outlets if frame is not None else ():
            glance = getattr(outlet.sink, "glance", None)
            if glance is not None:
                glance(frame)
        if isinstance(frame, Frame):
            self._finish(frame)

    def _finish(self, frame: Frame) -> None:
        """Call ``finish`` of the source, if it has that method."""
        finish = getattr(self.source, "finish", None)
        if finish is not None:
            finish(frame)

    def _score(self, prepared: Prepared) -> tuple[Prepared, Prediction]:
        self._began[threading.get_ident()] = time.monotonic()
        try:
            return prepared, prepared.classifier.score(prepared.fitted)
        finally:
            del self._began[threading.get_ident()]

    def _observed(self, prepared: Prepared, prediction: Prediction, waited: float) -> Observation:
        if prepared.classifier is not self._classifier:
            self._adopt(prepared.classifier)
        return self._zone.observed(prepared, prediction, waited)

    def _adopt(self, new: Classifier) -> None:
        """Switch to a new classifier; results come in order, so none of the previous one is outstanding."""
        if (view := self._view_of(new)) != self._view_of(self._classifier):
            _log.warning("%s: the network now sees of each image: %s.", new.path, view)
        before, self._classifier = self._classifier, new
        before.close()
        self._zone.adopt(new)
        state = ModelState("adopted", str(new.path), new.card.labels, examples=new.examples, file=new.identity)
        self.tell(replace(state, replaces=before.identity.path))

    def _hand_on(self, item: Observation) -> None:
        with self._handing:
            if self.stopping.is_set():  # the source's last state is the last that sinks get
                return
            self.frames += 1
            for outlet in self.outlets:
                outlet.put(item)

    def stop(self) -> None:
        """End ``run`` after the current frame; call it from another thread, not from a signal handler: it blocks."""
        self.stopping.set()
        for outlet in self.outlets:
            outlet.release()  # otherwise a lossless outlet might wait forever for room
        with self._handing:
            pass
        if self.source is not None:
            self.source.close()

    def close(self) -> None:
        """Give the sinks a moment to finish; safe to call twice."""
        outlets, self.outlets = self.outlets, []
        patient = self._lossless and not self.stopping.is_set()
        close_outlets(outlets, patient)
        for classifier in (self._offered, self._newest, self._classifier):
            if classifier is not None and classifier is not self._given:
                classifier.close()
