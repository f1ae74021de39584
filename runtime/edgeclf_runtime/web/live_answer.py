"""Answer to the newest frame in a separate thread, so that the camera never waits."""

from __future__ import annotations

import logging
import threading
from typing import Any, Callable

from edgeclf_runtime.errors import EdgeclfError
from edgeclf_runtime.formatting import rounded
from edgeclf_runtime.frame import Frame
from edgeclf_runtime.prediction import Prediction

__all__ = ["LiveAnswer", "answer_of"]

_log = logging.getLogger(__name__)
_PAUSE = 0.1  # seconds between two frames, which leave the processor free


def answer_of(prediction: Prediction) -> dict[str, Any]:
    """Return ``answer``, ``sure``, the ``reason`` if it is not, ``score``, and ``scores`` in label order."""
    scores = [[label, rounded(float(score), 4)] for label, score in zip(prediction.labels, prediction.scores)]
    best = {"score": rounded(prediction.score, 4), "best": prediction.label, "scores": scores}
    return {"answer": prediction.answer, "sure": prediction.reason is None, "reason": prediction.reason, **best}


class LiveAnswer:
    """Classifies frames, always the newest one.

    Args:
        classify: returns the prediction of a frame; None without a model.

    Attributes:
        newest: see ``answer_of``; None without an answer.
    """

    def __init__(self, classify: Callable[[Frame], Prediction | None]) -> None:
        self._classify = classify
        self.newest: dict[str, Any] | None = None
        self._frame: Frame | None = None
        self._news, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="answer", daemon=True)
        self._thread.start()

    def put(self, frame: Frame) -> None:
        """Provide a frame; one that was not classified yet is dropped."""
        self._frame = frame
        self._news.set()

    def _run(self) -> None:
        while not self._closing.wait(_PAUSE):
            self._news.wait()
            self._news.clear()
            frame = self._frame
            if frame is None or self._closing.is_set():
                continue
            try:
                prediction = self._classify(frame)
                self.newest = None if prediction is None else answer_of(prediction)
            except EdgeclfError as error:  # a damaged image
                _log.debug("No answer to a frame: %s", error)

    def close(self) -> None:
        """Stop."""
        self._closing.set()
        self._news.set()
        self._thread.join(2)
