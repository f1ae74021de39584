"""Verify that this device gives the same scores as the model gave at export."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

import numpy as np

from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.errors import ModelError

__all__ = ["VerifyReport", "verify"]


@dataclass(frozen=True)
class VerifyReport:
    """The result of a verification.

    Attributes:
        worst: largest difference of a score; NaN if a score is NaN.
        tolerance: largest difference that the file allows.
        count: number of golden images compared.
        same_top1: for every image the expected class has the best score, or is within the tolerance of it.
        passed: ``worst`` is within the tolerance and ``same_top1`` holds.
    """

    worst: float
    tolerance: float
    count: int
    same_top1: bool
    passed: bool


def verify(classifier: Classifier, advance: Callable[[int], None] = lambda images: None) -> VerifyReport:
    """Classify the golden images in the model file and compare.

    Args:
        classifier: of the model file.
        advance: called with 1 after each image, for a progress bar.

    Raises:
        ModelError: the file has none.
    """
    if not classifier.golden:
        raise ModelError(
            f"{classifier.path}: no golden images to compare; files written by `edgeclf export` have them."
        )
    worst, same, tolerance = 0.0, True, classifier.tolerance
    for golden in classifier.golden:
        scores, expected = classifier.classify(golden.pixels).scores, classifier.score_rule.apply(golden.scores)
        worst = float(np.maximum(worst, np.abs(scores - expected).max()))  # np.maximum keeps a NaN
        same = same and bool(scores[expected.argmax()] >= scores.max() - tolerance)
        advance(1)
    return VerifyReport(worst, tolerance, len(classifier.golden), same, worst <= tolerance and same)
