"""What a running classifier does, in figures for a page."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import asdict
from typing import Any

from edgeclf_runtime.formatting import rounded
from edgeclf_runtime.pictures.view import View
from edgeclf_runtime.sinks.sink import Item, ModelState, Observation
from edgeclf_runtime.sources.source import SourceState
from edgeclf_runtime.system.thermal import temperature

__all__ = ["SourceStatus", "Status"]

_SHOWN = 8  # labels with their scores
_KEPT = 0.8  # of a stage's time before, in its moving average
_STEP, _STEPS = 1.0, 300  # seconds between two points of the history, and how many are kept
_RECENT = 3.0  # seconds in which frames count for their rate
_WARM = 2.0  # seconds a temperature is good for


class SourceStatus:
    """How a source is doing; one thread tells it, any may ask."""

    def __init__(self) -> None:
        self._state, self._times = SourceState("opening", time.monotonic()), deque[float](maxlen=100)
        self._warm: tuple[float, float | None] = (-_WARM, None)
        self._seen: float | None = None  # when a frame came, be it classified or not
        self._lock = threading.Lock()

    def frame(self, moment: float) -> None:
        """One more was given, at this moment of ``time.monotonic()``."""
        with self._lock:
            self._times.append(moment)
        self._seen = moment

    def glance(self) -> None:
        """One more came that was not classified."""
        self._seen = time.monotonic()

    def change(self, state: SourceState) -> None:
        """It is doing otherwise now."""
        self._state = state

    def now(self) -> dict[str, Any]:
        """``state``, ``reason`` and ``reopened``, ``fps``, seconds of ``silence``, ``temperature`` in Celsius."""
        with self._lock:
            times = list(self._times)
        moment, state = time.monotonic(), self._state
        recent = [one for one in times if moment - one < _RECENT]
        rate = (len(recent) - 1) / (recent[-1] - recent[0]) if len(recent) > 1 and recent[-1] > recent[0] else 0.0
        # Films and folders do not say how they are doing: a frame says it.
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
    """Follows the observations of a run.

    Args:
        model: its name.
        labels: its labels.
    """

    def __init__(self, model: str, labels: tuple[str, ...]) -> None:
        self._model, self._labels, self._adopted, self._refused = model, labels, 0, ""
        self._source, self._frames = SourceStatus(), 0
        self._newest: Observation | None = None
        self._stages: dict[str, float] = {}
        self._history: deque[tuple[float, str, float, bool]] = deque(maxlen=_STEPS)
        self._lock = threading.Lock()

    def glance(self) -> None:
        """A frame came that was not classified."""
        self._source.glance()

    def take(self, item: Item) -> None:
        """What was seen."""
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
            self._labels, self._adopted = model.labels, self._adopted + (model.name == "adopted")

    def about(self) -> dict[str, Any]:
        """``model``, ``labels``, and the ``history``, one a second: seconds since 1970, answer, score, ``sure``."""
        with self._lock:
            history = [list(point) for point in self._history]
        return {"model": self._model, "labels": list(self._labels), "history": history}

    def now(self) -> dict[str, Any]:
        """The last frame's ``time``, ``answer``, ``score``, best ``scores`` and ``milliseconds``, and the source's.

        ``sure`` is false where no label was good enough: a class may be called "unknown", too.
        Also the ``view``, what the network sees of the frame; the ``clock``, in seconds since 1970, how many models
        were ``adopted`` since the start, and why the last one was ``refused``.
        """
        with self._lock:
            item, stages, frames = self._newest, self._stages, self._frames
        models = {"adopted": self._adopted, "refused": self._refused}
        status: dict[str, Any] = {"clock": round(time.time(), 2), "frames": frames, **models, **self._source.now()}
        if item is None:
            return status
        best = [[label, rounded(score, 4)] for label, score in item.prediction.ranked[:_SHOWN]]
        return {
            **status,
            "time": round(item.time, 3),
            "answer": item.decision.label,
            "score": rounded(item.decision.score, 4),
            "sure": not item.decision.refused,
            "scores": best,
            "view": _view(item),
            "age": round(item.age, 4),
            "milliseconds": {name: round(ms, 2) for name, ms in stages.items()},
        }


def _view(item: Observation) -> dict[str, Any]:
    """``region``, ``rotate`` and ``flip`` that are in force, and ``text``, empty where all of the image is seen."""
    frame = item.prediction.frame
    view = frame.view if frame is not None else View()
    return {**asdict(view), "text": str(view) if view.changes else ""}
