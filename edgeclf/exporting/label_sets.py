"""Evaluate a run's model file on images that may have several labels, for its card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from edgeclf.errors import DataError
from edgeclf.evaluation.label_sets import SetMeasurement, measure_label_sets
from edgeclf.metrics.label_sets import score_sets
from edgeclf.progress import Reporter
from edgeclf.runs.predictions import Answers, Scores
from edgeclf_converters.parity.label_sets import compare_sets
from edgeclf_converters.parity.parity import Parity
from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.system.plain_text import counted

__all__ = ["SetFigures", "float_figures"]


def float_figures(answers: Mapping[str, Answers], thresholds: list[float]) -> dict[str, float]:
    """Return the float network's mean average precision on each part, with the names used in cards."""
    return {
        f"{part}_float_map": score_sets(own.scores, own.presence, own.data.labels, thresholds).mean_average_precision
        for part, own in answers.items()
    }


class SetFigures:
    """Evaluate a converted file; the test part is not used for any choice. See ``FileFigures``.

    Attributes:
        test: comparison of the float network and the file on the test part, without its flips; None until measured.
    """

    def __init__(self, answers: Mapping[str, Answers], mode: str, reporter: Reporter) -> None:
        self._answers, self._mode, self._reporter = answers, mode, reporter
        self.test: Parity | None = None

    @property
    def float_scores(self) -> Scores | None:
        """The float network's scores of the validation images; None if they are not known."""
        return self._answers["validation"].scores if "validation" in self._answers else None

    def __call__(self, classifier: Classifier) -> dict[str, float]:
        """Return the file's mean average precision on each part.

        Raises:
            DataError: a validation image is missing.
        """
        figures = {
            f"validation_{self._mode}_map": self._measured(classifier, "validation").score.mean_average_precision
        }
        if "test" not in self._answers:
            return figures
        try:
            outcome = self._measured(classifier, "test")
        except DataError as error:
            self._reporter.say(f"The test part is not evaluated: {error}")
            return figures
        before, limits = self._answers["test"], classifier.card.label_thresholds
        self.test = replace(compare_sets(before.scores, outcome.scores, before.presence, limits), flips=())
        return {**figures, f"test_{self._mode}_map": outcome.score.mean_average_precision}

    def _measured(self, classifier: Classifier, part: str) -> SetMeasurement:
        data = self._answers[part].data
        outcome = measure_label_sets(classifier, data, self._reporter)
        if outcome.skipped:
            images, reason = counted(len(data.files), "image"), outcome.skipped[0].reason
            raise DataError(f"{reason} {len(outcome.skipped)} of {images} of the {part} part cannot be read.")
        return outcome
