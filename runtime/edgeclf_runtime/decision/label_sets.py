"""Turn the scores of frames into a stable set of labels, for a model with several labels per image.

Each label is decided separately: smoothing, hysteresis, votes and hold as for one label, with its own threshold.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from dataclasses import replace

from edgeclf_runtime.decision.average import ScoreAverage
from edgeclf_runtime.decision.decision import ROUNDING, Decision, DecisionRule
from edgeclf_runtime.prediction import UNDECIDED, UNKNOWN, Prediction, joined_labels

__all__ = ["LabelSetDecider"]

_log = logging.getLogger(__name__)


class LabelSetDecider:
    """Decides which labels are answers, from the predictions of one source; see ``Decider``.

    Args:
        rule: how scores become an answer; ``margin`` and ``reject`` do not apply.
    """

    def __init__(self, rule: DecisionRule) -> None:
        self._rule = rule
        if rule.margin or rule.count_period:
            _log.warning("margin and count_period have no effect: the model has several labels per image.")
        self._labels: tuple[str, ...] = ()
        self._present: set[str] = set()
        self._answer: Decision | None = None
        self._scores = ScoreAverage(rule.smoothing)
        self.forget()

    def follow(self, labels: tuple[str, ...], threshold: float | None) -> None:
        """Switch to another model: keep the answers that it has as labels; ``threshold`` is not used."""
        self.forget()
        self._present &= set(labels)

    def use(self, rule: DecisionRule) -> None:
        """Switch to a rule that differs in its threshold."""
        self._rule = rule

    def forget(self) -> None:
        """Reset averages and votes after a gap; the answers stay until there are new ones."""
        self._scores.value = None
        self._votes: dict[str, deque[bool]] = {}
        self._differs_since: dict[str, float] = {}

    def decide(self, prediction: Prediction, moment: float) -> Decision:
        """Return the answers after another prediction, whose frame has this ``moment`` (see ``Frame``).

        NaN scores, from a broken model, are left out; until there are others, the answer is "unknown".
        """
        if not math.isfinite(float(prediction.scores.sum())):
            return self._kept(moment)
        scores, before = self._scores.add(prediction.scores, moment), self._present
        is_first = self._answer is None or self._answer.refused
        limits = zip(prediction.labels, scores.tolist(), prediction.label_thresholds)
        lower = self._rule.hysteresis
        votes = [(label, score >= limit - (lower if label in before else 0.0)) for label, score, limit in limits]
        self._present = {label for label, vote in votes if self._is_present(label, vote, moment)}
        labels = tuple(label for label in prediction.labels if label in self._present)
        shown = [score for label, score in zip(prediction.labels, scores.tolist()) if label in self._present]
        changed = is_first or self._answer is None or self._answer.labels != labels
        since = moment if changed or self._answer is None else self._answer.since
        last = self._answer
        self._answer = Decision(
            joined_labels(labels),
            max(shown or scores.tolist()),
            changed,
            since,
            before=() if last is None else (last.label,) if changed else last.before,
            labels=labels,
            appeared=tuple(label for label in labels if label not in before),
        )
        return self._answer

    def _kept(self, moment: float) -> Decision:
        """Return the same answer again; "unknown" if there is none yet."""
        if self._answer is None:
            self._answer = Decision(UNKNOWN, 0.0, True, moment, True, UNDECIDED)
            return self._answer
        return replace(self._answer, changed=False, appeared=())

    def _is_present(self, label: str, vote: bool, moment: float) -> bool:
        """Return whether a label is an answer after this vote."""
        last = self._votes.setdefault(label, deque(maxlen=self._rule.window))
        last.append(vote)
        is_present = label in self._present
        if last.count(not is_present) < self._rule.votes:
            self._differs_since.pop(label, None)
            return is_present
        since = self._differs_since.setdefault(label, moment)
        if moment - since < self._rule.hold - ROUNDING:
            return is_present
        del self._differs_since[label]
        return not is_present
