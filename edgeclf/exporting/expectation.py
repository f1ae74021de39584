"""Fit how far accuracy falls with confidence under camera faults; see ``edgeclf_runtime.model.expectation``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from edgeclf.evaluation.camera_faults import FAULTS
from edgeclf.evaluation.measuring import Measurement
from edgeclf.evaluation.under_faults import UnderFaults
from edgeclf_runtime.model.expectation import Expectation

__all__ = ["fit_expectation"]

_ENOUGH = 20  # number of images; with fewer, a share of correct answers says little
_MARKED = 1  # level from which a fault counts: weaker ones only add noise


class _Answered(NamedTuple):
    """For familiar images whose best label is a class: their number, share of correct answers, and mean best score."""

    images: int
    accuracy: float
    confidence: float


def fit_expectation(validation: Measurement, under: UnderFaults, reject: float) -> Expectation | None:
    """Fit the slope to the faults that ``train --camera`` draws, and measure the error under all others.

    Args:
        validation: the file's answers to the validation images, with familiarity.
        under: its answers to images with faults, with familiarity.
        reject: familiarity from which on images count.

    Returns:
        None if there are too few images, or if the file has no familiarity.
    """
    own, clean = _answered(validation, reject), _answered(under.clean, reject)
    if min(own.images, clean.images) < _ENOUGH:
        return None
    found = {cell: _answered(outcome, reject) for cell, outcome in under.cells.items()}
    cells = {cell: answered for cell, answered in found.items() if answered.images >= _ENOUGH and cell[1] >= _MARKED}
    drawn = [answered for (name, _), answered in cells.items() if not FAULTS[name].is_held_out]
    others = [answered for (name, _), answered in cells.items() if FAULTS[name].is_held_out]
    if not drawn or not others:
        return None
    slope = _slope(clean, drawn)
    fitted = Expectation(own.accuracy, own.confidence, slope, 0.0, reject)
    error = float(np.mean([abs(fitted.of(one.confidence) - one.accuracy) for one in others]))
    return Expectation(own.accuracy, own.confidence, slope, error, reject)


def _slope(clean: _Answered, drawn: Iterable[_Answered]) -> float:
    """Return the least-squares slope through the images without a fault, weighted by the number of images."""
    lost = np.array([(one.images, clean.confidence - one.confidence, clean.accuracy - one.accuracy) for one in drawn])
    counts, confidence, accuracy = lost.T
    spread = float(counts @ np.square(confidence))
    return max(0.0, float(counts @ (confidence * accuracy)) / spread) if spread > 0 else 0.0


def _answered(outcome: Measurement, reject: float) -> _Answered:
    if outcome.familiarity is None:
        return _Answered(0, 0.0, 0.0)
    best = outcome.scores.argmax(axis=1)
    kept = (outcome.familiarity >= reject) & ~outcome.is_nothing
    if outcome.nothing is not None:
        kept &= best != outcome.nothing
    if not kept.any():
        return _Answered(0, 0.0, 0.0)
    hits = best[kept] == outcome.targets[kept]
    return _Answered(int(kept.sum()), float(hits.mean()), float(outcome.scores[kept].max(axis=1).mean()))
