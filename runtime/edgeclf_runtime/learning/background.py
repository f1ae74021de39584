"""Learn what the empty scene of a camera looks like, without training: its frames become prototypes of nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Callable

import numpy as np

from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.decision.gate import has_moved, reduced
from edgeclf_runtime.errors import ModelError, UsageError
from edgeclf_runtime.frame import Frame
from edgeclf_runtime.model.familiarity import Familiarity
from edgeclf_runtime.model.prototypes import Vectors, comparable, prototypes_of
from edgeclf_runtime.system.plain_text import counted

__all__ = ["EmptyScene", "check_familiarity", "learn_background", "still_frames"]

_PROTOTYPES = 16
_INTERVAL = 0.5  # seconds between frames used: more frames of a still scene add nothing
_MOTION = 4.0  # see ``GateRule.motion``
_FEWEST = 10
_LEAST_ALIKE = 0.01  # share of the empty frames that may be further from the prototypes


@dataclass(frozen=True)
class EmptyScene:
    """What was learned.

    Attributes:
        frames: number of frames learned from.
        refused: share of them that were answered with "unknown" before.
    """

    frames: int
    refused: float


def check_familiarity(classifier: Classifier) -> Familiarity:
    """Return the model's familiarity.

    Raises:
        ModelError: the model has none.
    """
    if classifier.card.has_several_labels:
        raise ModelError(f"{classifier.path}: has several labels per image; a background needs one label per image.")
    if classifier.familiarity is None:
        raise ModelError(
            f"{classifier.path}: has no familiarity, which learning the background needs. Files that `edgeclf export` "
            "writes from a run and those of `edgeclf teach` have it; one compiled for the Edge TPU cannot."
        )
    return classifier.familiarity


def learn_background(
    classifier: Classifier, frames: Iterable[Frame], seen: Callable[[float], None], *, add: bool = False
) -> tuple[Familiarity, EmptyScene]:
    """Learn an empty scene, and return a familiarity that knows it.

    Args:
        classifier: a model with familiarity.
        frames: frames of the empty scene; see ``still_frames``.
        seen: called with the time of each frame, in seconds since the first.
        add: keep what was learned about other empty scenes.

    Raises:
        ModelError: the model has no familiarity.
        UsageError: too few frames.
    """
    familiarity, labels = check_familiarity(classifier), classifier.card.labels
    rows, refused, start = [], 0, None
    for frame in frames:
        start = frame.moment if start is None else start
        prediction = classifier.classify(frame)
        assert prediction.features is not None  # the classifier has familiarity
        rows.append(prediction.features)
        refused += prediction.answer not in labels
        seen(frame.moment - start)
    if len(rows) < _FEWEST:
        seen_ones = counted(len(rows), "frame") if rows else "No frame"
        raise UsageError(
            f"{seen_ones} of the scene without motion, expected at least {_FEWEST}: leave it empty and watch it for "
            "longer, or give a longer video or more images of it."
        )
    learned = _with_scene(familiarity, comparable(np.stack(rows), familiarity.scale), add)
    return learned, EmptyScene(len(rows), refused / len(rows))


def still_frames(frames: Iterable[Frame], seconds: float) -> Iterator[Frame]:
    """Yield frames of a camera or video without motion, two per second, for a duration by their own time."""
    start = last = before = None
    for frame in frames:
        start = frame.moment if start is None else start
        if frame.moment - start >= seconds:
            return
        if last is not None and frame.moment - last < _INTERVAL:
            continue
        last, now = frame.moment, reduced(frame.pixels)
        if before is not None and not has_moved(before, now, _MOTION):
            yield frame
        before = now


def _with_scene(familiarity: Familiarity, unit: Vectors, add: bool) -> Familiarity:
    """Return a copy with prototypes of these vectors; every second one calibrates how near such frames come."""
    held_out = (unit[1::2] @ prototypes_of(unit[::2], _PROTOTYPES).T).max(axis=1)
    nearest = float(np.quantile(held_out, _LEAST_ALIKE))
    empty = nearest - (1 - nearest)  # twice the distance: light and lens change within a day
    prototypes = prototypes_of(unit, _PROTOTYPES)
    if add and len(familiarity.nothing):
        return familiarity.with_nothing(
            np.concatenate([familiarity.nothing, prototypes]), min(empty, familiarity.empty)
        )
    return familiarity.with_nothing(prototypes, empty)
