"""Measure the int8 file of an imported network on image files, read as on a device."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgeclf.importing.images import ImportImages
from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.learning.familiarity import fit_familiarity
from edgeclf_runtime.model.familiarity import Familiarity
from edgeclf_runtime.pictures.images import read_image
from edgeclf_runtime.prediction import Prediction
from edgeclf_runtime.system.native_lines import without_codec_lines

__all__ = ["FileMeasures"]


class FileMeasures:
    """The accuracy and the familiarity of a file; call ``figures`` first.

    The pixels that the search used are not reused: if the rule has a crop, they are already cropped.
    """

    def __init__(self, given: ImportImages) -> None:
        self._given = given
        self._judged: list[Prediction] = []

    def figures(self, classifier: Classifier) -> dict[str, float]:
        """Return the accuracy on the judged images, if they have labels."""
        self._judged = _answers(classifier, self._given.judged_files)
        if self._given.targets is None:
            return {}
        answers = np.array([answer.index for answer in self._judged])
        return {"validation_int8": float((answers == self._given.targets).mean())}

    def familiarity(self, classifier: Classifier) -> Familiarity | None:
        """Fit familiarity to the calibration images, with the answers as labels; None if the file gives no features."""
        if any(answer.features is None for answer in self._judged):
            return None
        known = _answers(classifier, self._given.calibration_files)
        features, held_out = (
            np.stack([answer.features for answer in answers if answer.features is not None])
            for answers in (known, self._judged)
        )
        return fit_familiarity(features, np.array([answer.index for answer in known]), held_out)


def _answers(classifier: Classifier, files: Sequence[Path]) -> list[Prediction]:
    with without_codec_lines():
        return [classifier.classify(read_image(file)) for file in files]
