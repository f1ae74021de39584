"""Does this device give the scores the model gave when it was exported?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.errors import ModelError

__all__ = ["VerifyReport", "verify"]


@dataclass(frozen=True)
class VerifyReport:
    """The outcome.

    Attributes:
        worst: the largest difference of a score; NaN where a score was no number.
        tolerance: what the file allows.
        count: golden images compared.
        same_top1: the expected class wins every image, or misses the best score by no more than the tolerance.
        passed: both hold.
    """

    worst: float
    tolerance: float
    count: int
    same_top1: bool
    passed: bool


def verify(classifier: Classifier) -> VerifyReport:
    """Classify the golden images in the model file and compare.

    Raises:
        ModelError: the file holds none.
    """
    if not classifier.golden:
        raise ModelError(f"{classifier.path}: no golden pictures to compare; a file from `edgeclf export` has some.")
    worst, same, tolerance = 0.0, True, classifier.tolerance
    for golden in classifier.golden:
        scores, expected = classifier.classify(golden.pixels).scores, classifier.score_rule.apply(golden.scores)
        worst = float(np.maximum(worst, np.abs(scores - expected).max()))  # np.maximum keeps a NaN
        same = same and bool(scores[expected.argmax()] >= scores.max() - tolerance)
    return VerifyReport(worst, tolerance, len(classifier.golden), same, worst <= tolerance and same)
