"""Generated observations of a classifier, for tests of sinks."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeclf_runtime import Frame, Prediction
from edgeclf_runtime.decision.conditions import Conditions
from edgeclf_runtime.decision.decision import Decision
from edgeclf_runtime.sinks import Observation

__all__ = ["LABELS", "seen", "snapshot_names"]

LABELS = ("cat", "dog")


def seen(
    label: str = "cat",
    score: float = 0.9,
    changed: bool = True,
    number: int = 0,
    level: int = 90,
    *,
    familiarity: float | None = None,
    conditions: Conditions | None = None,
) -> Observation:
    """Return an observation; with familiarity, it is refused below 0.05."""
    scores = np.array([score, 1 - score] if label != "dog" else [1 - score, score], np.float32)
    frame = Frame(_image(level, number), time.monotonic(), number, "/dev/video0")
    prediction = Prediction(scores, LABELS, {"capture": 1.0, "resize": 0.5, "invoke": 3.0}, frame)
    decision = Decision(label, score, changed, frame.time)
    if familiarity is not None:
        prediction = replace(prediction, familiarity=familiarity, reject=0.05)
        reason = prediction.reason
        answer = label if reason is None else "unknown"
        decision = Decision(answer, score, changed, frame.time, reason is not None, reason, familiarity)
    return Observation(prediction, decision, 1_700_000_000.25 + number, 0.01, conditions)


def _image(level: int, number: int) -> npt.NDArray[np.uint8]:
    """Return a grey image with a bright spot at one of 48 places, brighter each round: all numbers look different."""
    pixels = np.full((48, 64, 3), level, np.uint8)
    row, column = divmod(number % 48, 8)
    pixels[row * 8 : row * 8 + 8, column * 8 : column * 8 + 8] += np.uint8(20 + 25 * (number // 48 % 5))
    return pixels


def snapshot_names(folder: Path) -> list[str]:
    """Return the names of the images in a folder of snapshots, without the sink's own note."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".json")
