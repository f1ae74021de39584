"""Conditions: whether a camera's frames resemble the training images, and which accuracy to expect of the answers.

By definition, the familiarity of new images like the training images is evenly distributed from 0 to 1. Whether it
still is, is tested after each view by a cumulative sum (Page, Biometrika 1954) of bets on low familiarity (the power
martingale: Vovk et al., ICML 2003): it grows with each view's evidence for "unlike the training images", and never
falls below 0. While the images are like them, it reaches ``ALARM`` once in more than exp(8), 3,000 views.

Frames of one view repeat each other, so each view counts once: see ``_Views``.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from edgeclf_runtime.model.expectation import Expectation
from edgeclf_runtime.model.familiarity import Familiarity
from edgeclf_runtime.model.prototypes import Vectors, comparable
from edgeclf_runtime.prediction import NOTHING, Prediction

__all__ = ["ALARM", "Conditions", "ConditionsMonitor"]

_log = logging.getLogger(__name__)
ALARM, _CLEAR, _CEILING = 8.0, 4.0, 10.0
_LEAST = 0.01  # familiarity below which a view adds no more evidence
_FAMILIAR = 0.05  # familiarity from which the model knows a lasting view
_RECENT, _ENOUGH = 200, 30  # number of familiar views whose scores are averaged, and how many are needed
_SAME = 0.8  # cosine similarity of features from which two frames show the same view; see docs/figures.md
_REMEMBERED = 32  # number of views
_AGAIN = 120.0  # seconds after which an unfamiliar lasting view counts again


@dataclass(frozen=True)
class Conditions:
    """What the frames so far show.

    Attributes:
        views: number of views counted since the start or since the model was replaced.
        accuracy: expected share of correct answers among those not refused as unfamiliar, 0 to 1; None after too few
            views, or if the model file has no data for it.
        error: mean error of ``accuracy``, as measured at export.
        is_unlike: whether the frames are unlike the training images: a dirty lens, a moved camera, night.
    """

    views: int = 0
    accuracy: float | None = None
    error: float = 0.0
    is_unlike: bool = False


class ConditionsMonitor:
    """Follows the frames of one camera through one model.

    Args:
        familiarity: the model's familiarity.
        expectation: the model's expectation; None if its file has none.
        name: name of the zone, for the log; empty in a run without zones.
    """

    def __init__(self, familiarity: Familiarity, expectation: Expectation | None, name: str = "") -> None:
        self._whose = f"Zone {name}: the" if name else "The"
        self._scale, self._expectation = familiarity.scale, expectation
        self._views = _Views()
        self._scores: deque[float] = deque(maxlen=_RECENT)
        self._sum = 0.0
        self.now = Conditions()

    def add(self, prediction: Prediction, moment: float) -> Conditions:
        """Return the conditions after another frame.

        Args:
            prediction: the frame's prediction, with features and familiarity; without them nothing changes.
            moment: time of the frame, in seconds.
        """
        features, familiarity = prediction.features, prediction.familiarity
        if features is None or familiarity is None or not math.isfinite(prediction.score):
            return self.now
        is_unlike = self.now.is_unlike
        # The learned empty scene has familiarity 0. It is evidence only when it is seen again.
        if familiarity == 0 and not is_unlike:
            return self.now
        lasting = is_unlike or familiarity < _LEAST
        is_new = self._views.add(comparable(features[np.newaxis], self._scale)[0], moment, lasting)
        if is_new is None:
            return self.now
        if familiarity == 0 or (not is_new and familiarity >= _FAMILIAR):
            familiarity = 1.0  # learned, or already counted: the camera sees well
        step = math.log(0.5) - 0.5 * math.log(max(familiarity, _LEAST))
        self._sum = min(_CEILING, max(0.0, self._sum + step))
        is_unlike = self._sum >= (_CLEAR if is_unlike else ALARM)
        if is_unlike and not self.now.is_unlike:
            cause = "check lens, focus, light, and where it points"
            _log.warning("%s images are unlike those of the training: %s.", self._whose, cause)
        elif self.now.is_unlike and not is_unlike:
            _log.info("%s images are like those of the training again.", self._whose)
        accuracy, error = self._expected(prediction)
        self.now = Conditions(self.now.views + 1, accuracy, error, is_unlike)
        return self.now

    def _expected(self, prediction: Prediction) -> tuple[float | None, float]:
        """Add the view's best score and return the expected accuracy with its error."""
        expectation = self._expectation
        if expectation is None:
            return None, 0.0
        if (prediction.familiarity or 0.0) >= expectation.reject and prediction.label != NOTHING:
            self._scores.append(prediction.score)
        if len(self._scores) < _ENOUGH:
            return None, expectation.error
        return expectation.of(sum(self._scores) / len(self._scores)), expectation.error


class _Views:
    """Tells whether a frame shows something else than the frames before.

    It does if its features differ from those of the remembered views. On request, a lasting view counts again from
    time to time: a covered lens shows a single view, and must not be overlooked.
    """

    def __init__(self) -> None:
        self._seen: Vectors = np.zeros((0, 0), np.float32)
        self._counted = -math.inf

    def add(self, vector: Vectors, moment: float, lasting: bool) -> bool | None:
        """Return whether a frame shows a new view, which is remembered; None if it does not count.

        Args:
            vector: features of length 1, float32 ``[size]``.
            moment: time of the frame, in seconds.
            lasting: whether a lasting view counts again.
        """
        is_new = not len(self._seen) or float((self._seen @ vector).max()) < _SAME
        if not is_new and not (lasting and moment - self._counted >= _AGAIN):
            return None
        if is_new:
            kept = self._seen[-(_REMEMBERED - 1) :] if len(self._seen) else np.zeros((0, len(vector)), np.float32)
            self._seen = np.concatenate([kept, vector[np.newaxis]])
        self._counted = moment
        return is_new
