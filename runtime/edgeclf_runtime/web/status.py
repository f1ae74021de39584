"""Statistics of a running classifier for the page."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import asdict
from typing import Any

from edgeclf_runtime.decision.conditions import Conditions
from edgeclf_runtime.formatting import rounded
from edgeclf_runtime.model.examples import Examples
from edgeclf_runtime.pictures.view import View
from edgeclf_runtime.prediction import Prediction
from edgeclf_runtime.sinks.sink import Item, ModelState, Observation
from edgeclf_runtime.sources.source import SourceState
from edgeclf_runtime.system.thermal import temperature

__all__ = ["SourceStatus", "Status"]

_SHOWN = 8  # number of labels with scores
_KEPT = 0.8  # weight of the old value in the moving average of a stage's time
_STEP, _STEPS = 1.0, 300  # seconds between two points of the history, and their maximum number
_RECENT = 3.0  # seconds over which the frame rate is measured
_WARM = 2.0  # seconds for which a temperature is cached


class SourceStatus:
    """The state of a source; updated by one thread, read by any."""

    def __init__(self) -> None:
        self._state, self._times = SourceState("opening", time.monotonic()), deque[float](maxlen=100)
        self._warm: tuple[float, float | None] = (-_WARM, None)
        self._seen: float | None = None  # time of the last frame, classified or not
        self._lock = threading.Lock()

    def frame(self, moment: float) -> None:
        """Count a frame at a time of ``time.monotonic()``."""
        with self._lock:
            self._times.append(moment)
        self._seen = moment

    def glance(self) -> None:
        """Note a frame that was not classified."""
        self._seen = time.monotonic()

    def change(self, state: SourceState) -> None:
        """Set a new state."""
        self._state = state

    def now(self) -> dict[str, Any]:
        """Return ``state``, ``reason``, ``reopened``, ``fps``, ``silence`` in seconds, ``temperature`` in Celsius."""
        with self._lock:
            times = list(self._times)
        moment, state = time.monotonic(), self._state
        recent = [one for one in times if moment - one < _RECENT]
        rate = (len(recent) - 1) / (recent[-1] - recent[0]) if len(recent) > 1 and recent[-1] > recent[0] else 0.0
        # Videos and folders do not report a state; a frame shows that they run.
        name = "running" if state.name == "opening" and self._seen is not None else state.name
        if moment - self._warm[0] >= _WARM:
            self._warm = (moment, temperature())
        return {
            "source": {"state": name, "reason": state.reason, "reopened": state.reopened},
            "fps": round(rate, 1),
            "silence": round(max(0.0, moment - self._seen), 2) if self._seen is not None else None,
            "temperature": self._warm[1],
        }


class Status:
    """Collects the statistics of a run.

    Args:
        model: name of the model.
        labels: labels of the model.
        examples: the model's examples; None for none.
    """

    def __init__(self, model: str, labels: tuple[str, ...], examples: Examples | None = None) -> None:
        self._model, self._labels, self._adopted, self._refused = model, labels, 0, ""
        self._examples = examples
        self._source, self._frames = SourceStatus(), 0
        self._newest: Observation | None = None
        self._stages: dict[str, float] = {}
        self._history: deque[tuple[float, str, float, bool]] = deque(maxlen=_STEPS)
        self._lock = threading.Lock()

    def glance(self) -> None:
        """Note a frame that was not classified."""
        self._source.glance()

    def take(self, item: Item) -> None:
        """Update the statistics with an item."""
        if isinstance(item, SourceState):
            return self._source.change(item)
        if isinstance(item, ModelState):
            return self._follow(item)
        self._source.frame(time.monotonic())
        spent = item.prediction.milliseconds
        with self._lock:
            self._newest, self._frames = item, self._frames + 1
            old = self._stages
            self._stages = {name: _KEPT * old.get(name, ms) + (1 - _KEPT) * ms for name, ms in spent.items()}
            if self._history and item.time < self._history[-1][0]:  # the clock was set back
                self._history.clear()
            if not self._history or item.time - self._history[-1][0] >= _STEP:
                answer = item.decision
                self._history.append((round(item.time, 2), answer.label, rounded(answer.score, 4), not answer.refused))

    def _follow(self, model: ModelState) -> None:
        with self._lock:
            self._refused = "" if model.name == "adopted" else model.reason
            self._labels = model.labels
            if model.name == "adopted":
                self._adopted, self._examples = self._adopted + 1, model.examples

    def about(self) -> dict[str, Any]:
        """Return ``model``, ``labels`` and ``history``, a point per second: seconds since 1970, answer, score, sure."""
        with self._lock:
            history = [list(point) for point in self._history]
        return {"model": self._model, "labels": list(self._labels), "history": history}

    def now(self) -> dict[str, Any]:
        """Return the last frame's ``time``, ``answer``, ``score``, best ``scores``, ``milliseconds``, and the source's.

        ``sure`` is false if there is no answer (a class may be called "unknown", too), for a ``reason``: "unfamiliar"
        or "undecided". If changes are counted, there are ``counts`` by answer. If the model has familiarity there are
        ``familiarity`` and ``conditions``: ``views``, ``is_unlike``, and the expected ``accuracy`` with its mean
        ``error``, null if unknown; and ``like``: the ``number``, ``label`` and ``likeness`` of the example that the
        frame resembles most. Also the ``view``, the part of the frame that the network sees; ``clock``, in seconds
        since 1970; the number of models ``adopted`` since the start; and why the last one was ``refused``.
        """
        with self._lock:
            item, stages, frames = self._newest, self._stages, self._frames
        models = {"adopted": self._adopted, "refused": self._refused}
        status: dict[str, Any] = {"clock": round(time.time(), 2), "frames": frames, **models, **self._source.now()}
        if item is None:
            return status
        familiarity, like = item.decision.familiarity, self._like(item.prediction)
        best = [[label, rounded(score, 4)] for label, score in item.prediction.ranked[:_SHOWN]]
        return {
            **status,
            "time": round(item.time, 3),
            "answer": item.decision.label,
            **({} if item.decision.labels is None else {"answers": list(item.decision.labels)}),
            "score": rounded(item.decision.score, 4),
            "sure": not item.decision.refused,
            "reason": item.decision.reason,
            **({} if item.decision.counts is None else {"counts": dict(item.decision.counts)}),
            **({} if familiarity is None else {"familiarity": rounded(familiarity, 4)}),
            **({} if like is None else {"like": like}),
            **({} if item.conditions is None else {"conditions": _conditions(item.conditions)}),
            "scores": best,
            "view": _view(item),
            "age": round(item.age, 4),
            "milliseconds": {name: round(ms, 2) for name, ms in stages.items()},
        }

    def _like(self, prediction: Prediction) -> dict[str, Any] | None:
        examples, features = self._examples, prediction.features
        if examples is None or features is None or len(features) != examples.vectors.shape[1]:
            return None
        number, likeness = examples.nearest(features)
        index = examples.classes[number]
        if index >= len(prediction.labels):  # a frame of the previous model
            return None
        return {"number": number, "label": prediction.labels[index], "likeness": rounded(likeness, 3)}

    def example(self, number: int) -> bytes | None:
        """Return the JPEG of an example; None if the number does not exist."""
        images = () if self._examples is None else self._examples.images
        return images[number] if 0 <= number < len(images) else None


def _conditions(conditions: Conditions) -> dict[str, Any]:
    accuracy = None if conditions.accuracy is None else rounded(conditions.accuracy, 3)
    error = rounded(conditions.error, 3)
    return {"views": conditions.views, "is_unlike": conditions.is_unlike, "accuracy": accuracy, "error": error}


def _view(item: Observation) -> dict[str, Any]:
    """Return the ``region``, ``rotate`` and ``flip`` in use, and ``text``, empty if the whole image is seen."""
    frame = item.prediction.frame
    view = frame.view if frame is not None else View()
    return {**asdict(view), "text": str(view) if view.changes else ""}
