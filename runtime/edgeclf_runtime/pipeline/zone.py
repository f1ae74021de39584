"""The processing of a camera's images, or of a part of them: view, gate, decision and conditions."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from edgeclf_runtime.classifier import Classifier, Fitted
from edgeclf_runtime.decision.conditions import ConditionsMonitor
from edgeclf_runtime.decision.control import ZoneControl
from edgeclf_runtime.decision.decision import Decider, Decision, DecisionRule
from edgeclf_runtime.decision.gap import Gaps
from edgeclf_runtime.decision.gate import Gate, GateRule
from edgeclf_runtime.decision.label_sets import LabelSetDecider
from edgeclf_runtime.errors import ImageError
from edgeclf_runtime.frame import Frame
from edgeclf_runtime.pictures.preprocess import min_side
from edgeclf_runtime.pictures.view import GivenView, View
from edgeclf_runtime.prediction import Prediction
from edgeclf_runtime.sinks import Observation
from edgeclf_runtime.sinks.sink import NO_ZONE, ZoneName

__all__ = ["Prepared", "Zone", "viewed"]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A frame prepared for a classifier, and whether a gap of the source precedes it."""

    frame: Frame
    fitted: Fitted
    classifier: Classifier
    after_gap: bool = False


class Zone:
    """Decides which frames of one source are classified, and on the answer; used by one thread at a time.

    Args:
        classifier: the first classifier; owned by the caller.
        decision: how the scores become a steady answer.
        gate: which frames are classified; its region takes precedence over the view's.
        view: region, rotation and flip in place of those in the model card.
        name: names of camera and zone, for observations; empty in a run of one camera.

    Attributes:
        gate: chooses frames.
        classifier: the classifier of the last observation.
        answer: the current Decision; None before the first frame.
        control: pauses the zone, and sets its threshold.
    """

    def __init__(
        self,
        classifier: Classifier,
        decision: DecisionRule,
        gate: GateRule,
        view: GivenView,
        name: ZoneName = NO_ZONE,
    ) -> None:
        if decision.hold:  # keep classifying a still scene for as long as the hold time
            gate = replace(gate, linger=max(gate.linger, decision.hold + 1.0))
        self.classifier, self.gate, self.name = classifier, Gate(gate), name
        self._view = view if gate.region is None else replace(view, region=gate.region)
        self._decision = decision
        self._decider: Decider | LabelSetDecider = self._new_decider(classifier)
        self._monitor = _monitor(classifier, name)
        self._video_gaps = Gaps()
        self.answer: Decision | None = None
        self.control = ZoneControl()

    def view_of(self, classifier: Classifier, camera: bool) -> View:
        """Return the view of a classifier on the source's images; ``camera`` as for ``GivenView.over``."""
        return self._view.over(classifier.card.view, camera)

    def adopt(self, new: Classifier) -> None:
        """Switch to another classifier when no result of the previous one is outstanding."""
        if new.card.has_several_labels != self.classifier.card.has_several_labels:
            self._decider = self._new_decider(new)
        self.classifier = new
        self._decider.follow(new.card.labels, new.card.threshold)
        self._monitor = _monitor(new, self.name)

    def _new_decider(self, classifier: Classifier) -> Decider | LabelSetDecider:
        if classifier.card.has_several_labels:
            return LabelSetDecider(self._decision)
        return Decider(self._decision, classifier.card.threshold)

    def observed(self, prepared: Prepared, prediction: Prediction, waited: float) -> Observation:
        """Decide on the answer after a frame, and return both.

        Args:
            prepared: the frame.
            prediction: its classifier's prediction.
            waited: milliseconds spent waiting for the frame.
        """
        threshold = self.control.threshold
        if threshold is not None and threshold != self._decision.threshold:
            self._decision = replace(self._decision, threshold=threshold)
            self._decider.use(self._decision)
        frame, spent = prepared.frame, {"capture": waited, **prediction.milliseconds}
        # Sinks get the whole image, whatever part of it was classified.
        prediction = replace(self._decision.applied(prediction), milliseconds=spent, frame=frame)
        in_video = frame.film_time is not None and not self.gate.follows  # read by several threads in parallel
        if prepared.after_gap or (in_video and self._video_gaps.ends_at(frame.moment)):
            self._decider.forget()
        self.answer = self._decider.decide(prediction, frame.moment)
        conditions = None if self._monitor is None else self._monitor.add(prediction, frame.moment)
        return Observation(prediction, self.answer, *_times(frame.time), conditions, self.name)


def viewed(frame: Frame, classifier: Classifier, view: View) -> Frame:
    """Return a frame with the classifier's view, decoded again if it was decoded for another model."""
    rule = classifier.card.preprocessing
    frame = frame.viewed(view, rule.min_decoded_size).decoded_for(rule.min_decoded_size)
    needed = min_side(rule, (frame.view.region[2], frame.view.region[3]))
    if any(rule.min_decoded_size) or frame.jpeg is None or min(frame.pixels.shape[:2]) >= needed:
        return frame  # with a rule, only its size matters
    try:
        return replace(frame, pixels=frame.whole())
    except ImageError:  # damaged in a part that reduced decoding skipped: enlarge it instead
        return frame


def _monitor(classifier: Classifier, name: ZoneName) -> ConditionsMonitor | None:
    familiarity = classifier.familiarity
    return None if familiarity is None else ConditionsMonitor(familiarity, classifier.expectation, name.zone)


def _times(moment: float) -> tuple[float, float]:
    """Convert the monotonic time of a frame to seconds since 1970, and return its age."""
    age = time.monotonic() - moment
    return time.time() - age, age
