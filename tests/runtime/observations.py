"""What a classifier saw, made up: for tests of where it goes."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt

from edgeclf_runtime import Frame, Prediction
from edgeclf_runtime.decision.decision import Decision
from edgeclf_runtime.sinks import Observation

__all__ = ["LABELS", "seen"]

LABELS = ("cat", "dog")


def seen(label: str = "cat", score: float = 0.9, changed: bool = True, number: int = 0, level: int = 90) -> Observation:
    scores = np.array([score, 1 - score] if label != "dog" else [1 - score, score], np.float32)
    frame = Frame(_picture(level, number), time.monotonic(), number, "/dev/video0")
    prediction = Prediction(scores, LABELS, {"capture": 1.0, "resize": 0.5, "invoke": 3.0}, frame)
    return Observation(prediction, Decision(label, score, changed, frame.time), 1_700_000_000.25 + number, 0.01)


def _picture(level: int, number: int) -> npt.NDArray[np.uint8]:
    """Grey, with a bright thing at one of 48 places, brighter each time round: no two numbers look alike."""
    pixels = np.full((48, 64, 3), level, np.uint8)
    row, column = divmod(number % 48, 8)
    pixels[row * 8 : row * 8 + 8, column * 8 : column * 8 + 8] += np.uint8(20 + 25 * (number // 48 % 5))
    return pixels
