"""Evaluate a run's model file on the run's validation part and any test part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from edgeclf.errors import DataError
from edgeclf.evaluation.measuring import Measurement, measure_dataset
from edgeclf.metrics.calibration import acceptance
from edgeclf.progress import Reporter
from edgeclf.runs.predictions import Answers, Scores
from edgeclf_converters.parity.parity import Parity, compare
from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.system.plain_text import counted

__all__ = ["FileFigures", "float_accuracy"]


def float_accuracy(answers: Mapping[str, Answers]) -> dict[str, float]:
    """Return the float network's accuracy on each part, with the names used in cards."""
    return {
        f"{part}_float": float((predictions.chosen == predictions.data.targets).mean())
        for part, predictions in answers.items()
    }


class FileFigures:
    """Evaluate a converted file for its card; the test part is not used for any choice.

    Args:
        answers: the float network's predictions, by part.
        mode: the file's mode, one of ``edgeclf_converters.MODES``.
        threshold: the suggested threshold, or None.
        reporter: shows the progress.

    Attributes:
        validation: the file's evaluation on the validation part; None until measured.
        test: comparison of the float network and the file on the test part, without its flips; None until measured.
    """

    def __init__(self, answers: Mapping[str, Answers], mode: str, threshold: float | None, reporter: Reporter) -> None:
        self._answers, self._mode, self._threshold, self._reporter = answers, mode, threshold, reporter
        self.validation: Measurement | None = None
        self.test: Parity | None = None

    @property
    def float_scores(self) -> Scores | None:
        """The float network's scores of the validation images; None if they are not known."""
        return self._answers["validation"].scores if "validation" in self._answers else None

    def __call__(self, classifier: Classifier) -> dict[str, float]:
        """Return the file's accuracy on each part.

        Raises:
            DataError: a validation image is missing.
        """
        outcome = self.validation = self._measured(classifier, "validation")
        if outcome.skipped:
            reason = f"{outcome.skipped[0].reason} The network was trained with it"
            raise DataError(f"{reason}; {self._missing(outcome, 'validation')}.")
        self._say_threshold(outcome)
        figures = {f"validation_{self._mode}": outcome.score.accuracy}
        return figures | self._tested(classifier) if "test" in self._answers else figures

    def _tested(self, classifier: Classifier) -> dict[str, float]:
        """Return the accuracy on the test part; empty if images are missing, as an export does not need them."""
        try:
            outcome = self._measured(classifier, "test")
        except DataError as error:
            self._reporter.say(f"The test part is not evaluated: {error}")
            return {}
        if outcome.skipped:
            reason = outcome.skipped[0].reason.rstrip(".")
            self._reporter.say(f"The test part is not evaluated: {self._missing(outcome, 'test')} ({reason}).")
            return {}
        before = self._answers["test"]
        self.test = replace(compare(before.scores, outcome.scores, before.data.targets), flips=())
        return {f"test_{self._mode}": outcome.score.accuracy}

    def _missing(self, outcome: Measurement, part: str) -> str:
        images, gone = counted(len(self._answers[part].data.files), "image"), len(outcome.skipped)
        return f"{gone} of {images} {'is' if gone == 1 else 'are'} missing"

    def _measured(self, classifier: Classifier, part: str) -> Measurement:
        return measure_dataset(classifier, self._answers[part].data, self._reporter)

    def _say_threshold(self, outcome: Measurement) -> None:
        """Log the effect of the threshold, chosen on the float network's scores, on the file's answers."""
        if self._threshold is None:
            return
        kept = acceptance(outcome.scores, outcome.targets, self._threshold)
        refused = f'"unknown" below {self._threshold:.2f} rejects {kept.count - kept.accepted} of {kept.count}'
        self._reporter.say(f"Suggested threshold: {refused}; of the others {kept.right} of {kept.accepted} are right.")
