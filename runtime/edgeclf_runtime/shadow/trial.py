"""Compare a new model with the one of a service, on the service's frames."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.config.settings import RunSettings
from edgeclf_runtime.errors import ServiceError, UsageError
from edgeclf_runtime.frame import Frame
from edgeclf_runtime.pictures.view import GivenView
from edgeclf_runtime.pipeline.zone import Prepared, Zone, viewed
from edgeclf_runtime.shadow.agreement import Agreement
from edgeclf_runtime.shadow.differing import DifferingImages
from edgeclf_runtime.shadow.frames import Answer, Frames, Seen
from edgeclf_runtime.shadow.pace import Pace
from edgeclf_runtime.sinks.sink import NO_ZONE, ZoneName

__all__ = ["compare"]

_LEAST = 10  # number of frames; fewer prove nothing


def compare(classifier: Classifier, chosen: RunSettings, state: Path, seconds: float, output: Path) -> dict[str, Any]:
    """Run a model next to a service's for some time and return how often both agreed, ready for JSON.

    Args:
        classifier: the new model.
        chosen: the settings that it is to run with; zones with their own model file are left out.
        state: the service's state folder.
        seconds: duration.
        output: folder for images on which the models differ.

    Raises:
        ServiceError: no service is running, it ends, or it gives too few frames.
        UsageError: the new model would need other rotated images.
    """
    trials = {name: _Trial(zone, _settling(chosen, name)) for name, zone in _zones(classifier, chosen).items()}
    agreement, until = Agreement(), time.monotonic() + seconds
    with Frames(state) as frames:
        images, pace = DifferingImages(output), Pace(frames.rate)
        while (seen := frames.next(agreement.figures(), until - time.monotonic())) is not None:
            pace.note(seen.count, time.monotonic())
            if (trial := trials.get(seen.zone)) is None:
                continue
            began = time.monotonic()
            frame, new = trial.answer(seen)
            if trial.is_settled and not agreement.add(seen.zone, frame.moment, seen.answer, new):
                images.offer(seen, frame, new)
            pace.wait(time.monotonic() - began, until - time.monotonic())
    if agreement.frames < _LEAST:
        raise ServiceError(f"only {agreement.frames} frames came in {seconds:g} s, but a comparison needs {_LEAST}.")
    rates = {"usual": round(frames.rate, 2), "during": round(pace.rate, 2)}
    return {**agreement.as_dict(), "rate": rates, "folder": str(output), "images": images.as_list()}


def _zones(classifier: Classifier, chosen: RunSettings) -> Mapping[ZoneName, Zone]:
    """Return the zones that the new model is for; a run of one camera is one zone."""
    if not chosen.zones:
        view = GivenView(chosen.gate.region, chosen.camera.rotate, chosen.camera.flip)
        return {NO_ZONE: Zone(classifier, chosen.decision, chosen.gate, view)}
    options = {camera.name: camera.options for camera in chosen.cameras}
    made = {}
    for zone in chosen.zones:
        if zone.model is None:
            own, name = options[zone.camera], ZoneName(zone.camera, zone.name)
            view = GivenView(zone.region, own.rotate, own.flip, zone.polygon)
            made[name] = Zone(classifier, zone.decision, zone.gate, view, name)
    if not made:
        raise UsageError("each zone has a model file of its own, so there is nothing to compare.")
    return made


@dataclass(frozen=True)
class _Settling:
    """After how many frames and seconds an answer no longer depends on when the trial began."""

    frames: int
    seconds: float


def _settling(chosen: RunSettings, name: ZoneName) -> _Settling:
    rules = {ZoneName(zone.camera, zone.name): zone.decision for zone in chosen.zones}
    rule = rules.get(name, chosen.decision)
    return _Settling(rule.window - 1, 3 * rule.smoothing + rule.hold)


class _Trial:
    """A zone as the new model sees it."""

    def __init__(self, zone: Zone, settling: _Settling) -> None:
        self._zone, self._settling = zone, settling
        self._view = zone.view_of(zone.classifier, camera=True)  # a service's images come from a camera
        self._count, self._began, self._now = 0, 0.0, 0.0

    @property
    def is_settled(self) -> bool:
        """Whether the last answer counts."""
        return self._count > self._settling.frames and self._now - self._began >= self._settling.seconds

    def answer(self, seen: Seen) -> tuple[Frame, Answer]:
        """Return a frame as the new model sees it, and its answer."""
        frame = viewed(seen.frame, self._zone.classifier, self._view)
        if (frame.view.rotate, frame.view.flip) != (self._view.rotate, self._view.flip):
            raise UsageError("the new model rotates or flips images differently; deploy it without --shadow.")
        self._count, self._now = self._count + 1, frame.moment
        self._began = self._began if self._count > 1 else frame.moment
        fitted = self._zone.classifier.fit(frame)
        prediction = self._zone.classifier.score(fitted)
        decision = self._zone.observed(Prepared(frame, fitted, self._zone.classifier), prediction, 0.0).decision
        spent = sum(prediction.milliseconds.values())
        return frame, Answer(decision.label, decision.score, decision.refused, spent)
