"""Expectation: the accuracy to expect on a camera, from the scores of its frames alone, without labels.

When a camera makes images worse, the mean of the best scores falls, and accuracy falls further. How much further is
measured at export, on validation images with simulated camera faults: a regression of the lost accuracy on the
difference of confidences (Guillory et al., ICCV 2021). docs/figures.md has its error, and that of other estimates.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass

from edgeclf_runtime.errors import ModelError
from edgeclf_runtime.model.archive import Archive

__all__ = ["EXPECTATION_FILE", "Expectation", "read_expectation"]

EXPECTATION_FILE = "expectation.json"
"""Name of its file in the zip of a model file."""

_FORMAT, _LIMIT = 1, 1 << 16


@dataclass(frozen=True)
class Expectation:
    """Figures from the export; all from images that are familiar enough and whose best label is a class.

    Attributes:
        accuracy: share of correct answers on the validation images, 0 to 1.
        confidence: mean of their best scores, 0 to 1.
        slope: accuracy lost for each point of confidence lost; not negative.
        error: mean error of the estimate under faults that the slope was not fitted to, 0 to 1.
        reject: familiarity from which on images counted.
    """

    accuracy: float
    confidence: float
    slope: float
    error: float
    reject: float

    def of(self, confidence: float) -> float:
        """Return the accuracy, 0 to 1, to expect of images whose best scores have this mean."""
        return min(1.0, max(0.0, self.accuracy + self.slope * (confidence - self.confidence)))

    def to_json(self) -> bytes:
        """Return the content of ``EXPECTATION_FILE``."""
        return json.dumps({"format": _FORMAT, **asdict(self)}).encode()


def read_expectation(archive: Archive) -> Expectation | None:
    """Read the expectation of a model file; None if it has none, or a later version's.

    Raises:
        ModelError: it is damaged; the message does not name the file.
    """
    data = archive.read(EXPECTATION_FILE, _LIMIT)
    if data is None:
        return None
    try:
        content = json.loads(data)
        if content.pop("format") != _FORMAT:
            return None
        read = Expectation(**{name: float(value) for name, value in content.items()})
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise ModelError(f"{EXPECTATION_FILE} in it cannot be read ({type(error).__name__}).") from None
    shares = (read.accuracy, read.confidence, read.error, read.reject)
    if not all(0 <= share <= 1 for share in shares) or not (math.isfinite(read.slope) and read.slope >= 0):
        raise ModelError(f"{EXPECTATION_FILE} in it has values outside their ranges; copy the file again.")
    return read
