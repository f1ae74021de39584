"""Figures of a run's model file on the images that the run is judged by: validation and, where there is one, test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from edgeclf.errors import DataError
from edgeclf.evaluation.measuring import Measurement, measure_dataset
from edgeclf.metrics.calibration import acceptance
from edgeclf.progress import Reporter
from edgeclf.runs.predictions import Answers
from edgeclf_converters.parity.parity import Parity, compare
from edgeclf_runtime.classifier import Classifier

__all__ = ["FileFigures", "float_accuracy"]


def float_accuracy(answers: Mapping[str, Answers]) -> dict[str, float]:
    """Of the network in memory on each part, as a card has it."""
    return {
        f"{part}_float": float((predictions.chosen == predictions.data.targets).mean())
        for part, predictions in answers.items()
    }


class FileFigures:
    """Measures the converted file for its card; nothing is chosen by the test part.

    Args:
        answers: of the float network, by part.
        mode: of the file; one of ``edgeclf_converters.MODES``.
        threshold: the suggested one, or None.

    Attributes:
        test: the float network against the file on the test part, without its flips; None until it is measured.
    """

    def __init__(self, answers: Mapping[str, Answers], mode: str, threshold: float | None, reporter: Reporter) -> None:
        self._answers, self._mode, self._threshold, self._reporter = answers, mode, threshold, reporter
        self.test: Parity | None = None

    def __call__(self, classifier: Classifier) -> dict[str, float]:
        """The accuracy on each part.

        Raises:
            DataError: a validation image is gone.
        """
        outcome = self._measured(classifier, "validation")
        if outcome.skipped:
            reason = f"{outcome.skipped[0].reason} It was there when the network was trained"
            raise DataError(f"{reason}; {len(outcome.skipped)} of {self._count('validation')} are gone.")
        self._say_threshold(outcome)
        figures = {f"validation_{self._mode}": outcome.score.accuracy}
        return figures | self._tested(classifier) if "test" in self._answers else figures

    def _tested(self, classifier: Classifier) -> dict[str, float]:
        """Without images that are gone there is no figure: an export never needed those of the test part."""
        try:
            outcome = self._measured(classifier, "test")
        except DataError as error:
            self._reporter.say(f"The test part is not measured: {error}")
            return {}
        if outcome.skipped:
            gone = f"{len(outcome.skipped)} of {self._count('test')} images are gone"
            self._reporter.say(f"The test part is not measured: {gone} ({outcome.skipped[0].reason.rstrip('.')}).")
            return {}
        before = self._answers["test"]
        self.test = replace(compare(before.scores, outcome.scores, before.data.targets), flips=())
        return {f"test_{self._mode}": outcome.score.accuracy}

    def _count(self, part: str) -> int:
        return len(self._answers[part].data.files)

    def _measured(self, classifier: Classifier, part: str) -> Measurement:
        return measure_dataset(classifier, self._answers[part].data, self._reporter)

    def _say_threshold(self, outcome: Measurement) -> None:
        """What the threshold, chosen on the float network's scores, does to the file's."""
        if self._threshold is None:
            return
        kept = acceptance(outcome.scores, outcome.targets, self._threshold)
        refused = f'"unknown" below {self._threshold:.2f} refuses {kept.count - kept.accepted} of {kept.count}'
        self._reporter.say(f"Suggested threshold: {refused}; of the others {kept.right} of {kept.accepted} are right.")
