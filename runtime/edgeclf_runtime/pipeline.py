"""Frames to observations to sinks: the loop of an unattended device."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from edgeclf_runtime.backends.pool import in_order
from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.decision import Decider, DecisionRule
from edgeclf_runtime.frame import Frame
from edgeclf_runtime.gate import Gate, GateRule
from edgeclf_runtime.prediction import Prediction
from edgeclf_runtime.sinks import Observation, Sink
from edgeclf_runtime.sinks.outlet import Outlet
from edgeclf_runtime.sources import Source, SourceState

__all__ = ["Pipeline"]

_DRAIN = 1.0  # seconds the sinks have to finish
_PATIENT = 600.0  # the same where nothing is to be lost and nobody waits


class Pipeline:
    """Classifies a source's frames and hands what it sees to sinks.

    Args:
        classifier: owned by the caller.
        sinks: each gets a thread of its own.
        decision: how scores become an answer.
        gate: which frames are classified.
        lossless: no observation is dropped before a slow sink; for sources that can wait.

    Attributes:
        frames: classified.
    """

    def __init__(
        self,
        classifier: Classifier,
        sinks: Sequence[Sink],
        decision: DecisionRule | None = None,
        gate: GateRule | None = None,
        lossless: bool = False,
    ) -> None:
        self._classifier = classifier
        self._decider = Decider(decision or DecisionRule(), classifier.card.threshold)
        self._gate = Gate(gate or GateRule())
        self.outlets = [Outlet(sink, lossless) for sink in sinks]
        self._lossless, self._stopping = lossless, threading.Event()
        self._source: Source | None = None
        self.frames = 0

    def tell(self, state: SourceState) -> None:
        """The listener to open the source with."""
        for outlet in self.outlets:
            outlet.put(state)

    def run(self, source: Source, max_frames: int | None = None) -> None:
        """Until the source ends, so many frames were classified, or ``stop``; closes the source and the sinks.

        Raises:
            SourceError: the source is lost and is not to be opened again.
        """
        self._source = source
        if self._stopping.is_set():  # told before there was anything to stop
            source.close()
        try:
            with source:
                start = time.perf_counter()
                for frame, prediction in in_order(
                    self._classify, self._admitted(source), self._classifier.backend.lanes
                ):
                    if self._stopping.is_set():
                        break
                    waited = (time.perf_counter() - start) * 1e3 - sum(prediction.milliseconds.values())
                    spent = {"capture": max(0.0, waited), **prediction.milliseconds}
                    # The whole picture goes on to the sinks, whatever part of it was classified.
                    prediction = replace(prediction, milliseconds=spent, frame=frame)
                    self._hand_on(
                        Observation(prediction, self._decider.decide(prediction, frame.time), *_times(frame.time))
                    )
                    start = time.perf_counter()
                    if max_frames is not None and self.frames >= max_frames:
                        break
        except KeyboardInterrupt:
            self._stopping.set()
            raise
        finally:
            self.close()

    def _admitted(self, source: Source) -> Iterator[tuple[Frame, Frame]]:
        """Frames as they came, and what of them is to be classified."""
        for frame in source:
            if self._stopping.is_set():
                break
            admitted = self._gate.admit(frame)
            if admitted is not None:
                yield frame, admitted

    def _classify(self, frames: tuple[Frame, Frame]) -> tuple[Frame, Prediction]:
        return frames[0], self._classifier.classify(frames[1])

    def _hand_on(self, item: Observation) -> None:
        self.frames += 1
        for outlet in self.outlets:
            outlet.put(item)

    def stop(self) -> None:
        """End ``run`` after the present frame; from another thread, not from a signal's handler: it waits."""
        self._stopping.set()
        for outlet in self.outlets:
            outlet.end()  # or a lossless one might wait for room that never comes
        if self._source is not None:
            self._source.close()

    def close(self) -> None:
        """Give the sinks a moment to finish; safe to call twice."""
        outlets, self.outlets = self.outlets, []
        patient = self._lossless and not self._stopping.is_set()
        until = time.monotonic() + (_PATIENT if patient else _DRAIN)
        for outlet in outlets:
            outlet.end()
        for outlet in outlets:
            outlet.wait(max(0.0, until - time.monotonic()))


def _times(moment: float) -> tuple[float, float]:
    """Of a frame's monotonic moment: seconds since 1970, and its age."""
    age = time.monotonic() - moment
    return time.time() - age, age
