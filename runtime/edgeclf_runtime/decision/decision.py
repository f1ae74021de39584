"""Turn the scores and the familiarity of frames into a stable answer: smoothing, "unknown", when the answer changes.

A frame votes for a label or for "unknown". It votes for "unknown" if the averaged familiarity is below ``reject``, or
else if the averaged scores say so. The scores of an unfamiliar frame are meaningless, so they are left out of the
average: a strange object in front of the camera moves the answer to "unknown", never to another label.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Optional

from edgeclf_runtime.decision.average import FamiliarityAverage, ScoreAverage
from edgeclf_runtime.decision.events import Events
from edgeclf_runtime.errors import UsageError
from edgeclf_runtime.prediction import NOTHING, UNDECIDED, UNFAMILIAR, UNKNOWN, Prediction

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["ROUNDING", "UNKNOWN", "Decider", "Decision", "DecisionRule"]

ROUNDING = 1e-6
"""Tolerance for differences of times, in seconds."""


@dataclass(frozen=True)
class DecisionRule:
    """How scores become an answer.

    Attributes:
        threshold: answer "unknown" if the best score is lower; None uses the threshold of the model card, or 0.
        margin: answer "unknown" if the best score leads the second by less.
        smoothing: time constant of the moving averages over scores and familiarity, in seconds; 0 for none.
        hysteresis: keep the current answer while its score is at most this much below what a new answer needs, and the
            familiarity at most this share of ``reject`` below it.
        votes, window: a new answer must win ``votes`` of the last ``window`` frames.
        hold: seconds that a new answer must last before it counts.
        cooldown: minimum time from the end of a command or webhook call to the next, in seconds.
        reject: answer "unknown" if the familiarity is lower, as it is for this share of familiar images; None uses the
            model card's, or 0 if ``threshold`` is 0: then the answer is never "unknown".
        count_period: seconds within which the changes to each answer are counted; 0 counts none.
    """

    threshold: Optional[float] = None  # noqa: UP045  read at run time by settings, on Python 3.9 too
    margin: float = 0.0
    smoothing: float = 0.0
    hysteresis: float = 0.0
    votes: int = 1
    window: int = 1
    hold: float = 0.0
    cooldown: float = 0.0
    reject: Optional[float] = None  # noqa: UP045
    count_period: float = 0.0

    def __post_init__(self) -> None:
        shares = {"threshold": self.threshold or 0.0, "margin": self.margin, "hysteresis": self.hysteresis}
        shares["reject"] = self.reject or 0.0
        wrong = [f"{name} {value}: expected 0 to 1" for name, value in shares.items() if not 0 <= value <= 1]
        if not 0 <= self.smoothing <= 3600:
            wrong.append(f"smoothing {self.smoothing}: expected 0 to 3600 seconds")
        if not 0 <= self.hold <= 3600:
            wrong.append(f"hold {self.hold}: expected 0 to 3600 seconds")
        if not 0 <= self.cooldown <= 86400:
            wrong.append(f"cooldown {self.cooldown}: expected 0 to 86400 seconds")
        if not 0 <= self.count_period <= 2_678_400:
            wrong.append(f"count_period {self.count_period}: expected 0 to 2678400 seconds")
        if not 1 <= self.votes <= self.window <= 1000:
            wrong.append(f"{self.votes} votes of {self.window}: expected 1 <= votes <= window <= 1000")
        if wrong:
            raise UsageError(f"Decision: {'; '.join(wrong)}.")

    def reject_of(self, prediction: Prediction) -> float:
        """Return the familiarity below which a prediction is refused; predictions contain their model card's."""
        if self.reject is not None:
            return self.reject
        return 0.0 if self.threshold == 0 else prediction.reject

    def applied(self, prediction: Prediction) -> Prediction:
        """Return a prediction with this rule's ``threshold`` and ``reject`` instead of the model card's.

        With several labels, ``threshold`` replaces each label's; 0 keeps them.
        """
        if prediction.label_thresholds and self.threshold:
            prediction = replace(prediction, label_thresholds=(self.threshold,) * len(prediction.labels))
        threshold = prediction.threshold if self.threshold is None else self.threshold
        return replace(prediction, threshold=threshold, reject=self.reject_of(prediction))


@dataclass(frozen=True)
class Decision:
    """The answer after a frame.

    Attributes:
        label: a label of the model, or "unknown".
        score: smoothed score of the label; for "unknown" the best score.
        changed: whether the answer differs from the previous one.
        since: ``moment`` of the first frame with this answer, in seconds.
        refused: whether there is no answer; if False, "unknown" is the name of one of the model's classes.
        reason: why there is no answer: "unfamiliar" or "undecided"; None if there is one.
        familiarity: averaged familiarity, 0 to 1; None if the model has none.
        before: the answer before this one; if that was "unknown", also the last one before it. Empty for the first.
        counts: how often each answer began within ``count_period``; None if that is not counted.
        labels: the labels that are answers, if an image may have several; ``label`` is then ``a|b``, or ``NOTHING``.
            None if an image has one label.
        appeared: labels in ``labels`` that the previous answer lacked.
    """

    label: str
    score: float
    changed: bool
    since: float
    refused: bool = False
    reason: str | None = None
    familiarity: float | None = None
    before: tuple[str, ...] = ()
    counts: Mapping[str, int] | None = None
    labels: tuple[str, ...] | None = None
    appeared: tuple[str, ...] = ()


class Decider:
    """Decides on the answer from the predictions of one source.

    Args:
        rule: how scores become an answer.
        threshold: threshold of the model card, used if the rule has none.
    """

    def __init__(self, rule: DecisionRule, threshold: float | None = None) -> None:
        self._rule = rule
        self._threshold = rule.threshold if rule.threshold is not None else threshold or 0.0
        self._scores = ScoreAverage(rule.smoothing)
        self._familiarity = FamiliarityAverage(rule.smoothing)
        self._reason = UNDECIDED  # of the last frame that voted for "unknown"
        self._won: deque[str | None] = deque(maxlen=rule.window)  # None for "unknown"
        self._answer: Decision | None = None
        self._is_first = True  # True until the first answer, or "unknown", has been accepted
        self._coming: str | None = None  # a new answer that must last before it is accepted
        self._coming_since: float | None = None
        self._events = Events(rule.count_period)

    def follow(self, labels: tuple[str, ...], threshold: float | None) -> None:
        """Switch to another model: keep the answer if the model has its label; reset averages and votes.

        Args:
            labels: labels of the new model.
            threshold: threshold of its card, used if the rule has none.
        """
        self._threshold = self._rule.threshold if self._rule.threshold is not None else threshold or 0.0
        self.forget()
        if self._present is not None and self._present not in labels:
            self._answer, self._is_first = None, True

    def use(self, rule: DecisionRule) -> None:
        """Switch to a rule that differs in its threshold."""
        self._rule, self._threshold = rule, rule.threshold or 0.0

    def forget(self) -> None:
        """Reset averages and votes after a gap; the answer stays until there is a new one."""
        self._scores.value = self._familiarity.value = None
        self._won.clear()
        self._coming_since = None

    def decide(self, prediction: Prediction, moment: float) -> Decision:
        """Return the answer after another prediction, whose frame has this ``moment`` (see ``Frame``).

        NaN scores, from a broken model, count as "unknown" and are left out of averages.
        """
        if math.isfinite(float(prediction.scores.sum())):
            limit = self._rule.reject_of(prediction)
            scores = self._averages(prediction, limit, moment)
            winner, score = self._vote(prediction, scores, limit)
        else:
            import numpy as np

            scores, winner, score = np.zeros_like(prediction.scores), None, 0.0
            self._reason = self._rule.applied(prediction).reason or UNDECIDED
        self._won.append(winner)
        answer = winner if Counter(self._won)[winner] >= self._rule.votes else self._present
        has_lasted = self._has_lasted(answer, moment)
        answer = answer if has_lasted else self._present
        if answer != winner:
            score = float(scores[prediction.labels.index(answer)]) if answer in prediction.labels else score
        label = UNKNOWN if answer is None else answer
        changed = has_lasted and (self._is_first or self._answer is None or label != self._answer.label)
        self._is_first = self._is_first and not has_lasted
        since = moment if changed or self._answer is None else self._answer.since
        reason = self._reason if answer is None else None
        if changed:
            self._events.change(label, answer is None, moment)
        past = self._events.before, self._events.counts(moment)
        self._answer = Decision(label, score, changed, since, answer is None, reason, self._familiarity.value, *past)
        return self._answer

    @property
    def _present(self) -> str | None:
        """Return the current label; None if there is no answer yet, or it is "unknown"."""
        return None if self._answer is None or self._answer.refused else self._answer.label

    def _has_lasted(self, answer: str | None, moment: float) -> bool:
        if answer == self._present and not self._is_first:
            self._coming_since = None
            return True
        if self._coming_since is None or answer != self._coming:
            self._coming, self._coming_since = answer, moment
        return moment - self._coming_since >= self._rule.hold - ROUNDING

    def _averages(self, prediction: Prediction, limit: float, moment: float) -> npt.NDArray[np.float32]:
        """Add a frame to the averages and return the averaged scores."""
        self._familiarity.add(prediction.familiarity, limit, moment)
        if prediction.familiarity is not None and prediction.familiarity < limit:
            return prediction.scores if self._scores.value is None else self._scores.value
        return self._scores.add(prediction.scores, moment)

    def _vote(self, prediction: Prediction, scores: npt.NDArray[np.float32], limit: float) -> tuple[str | None, float]:
        """Return the label that this frame votes for and its score; None, for "unknown", sets the reason."""
        familiarity = self._familiarity.value
        keeps = self._rule.hysteresis if self._present in prediction.labels else 0.0
        if familiarity is not None and familiarity < limit * (1 - keeps):
            self._reason = UNFAMILIAR
            return None, prediction.score
        return self._winner(scores, prediction.labels)

    def _winner(self, scores: npt.NDArray[np.float32], labels: tuple[str, ...]) -> tuple[str | None, float]:
        """Return the label that the scores vote for, with hysteresis for the current answer; None for "unknown"."""
        order = (-scores).argsort(kind="stable")
        best, second = float(scores[order[0]]), float(scores[order[1]]) if len(order) > 1 else 0.0
        present = self._present
        if present is not None and present in labels:
            position = labels.index(present)
            own, other = float(scores[position]), second if position == order[0] else best
            leads = own - other >= (self._rule.margin if position == order[0] else 0.0) - self._rule.hysteresis
            if leads and own >= self._threshold - self._rule.hysteresis:
                return present, own
        if labels[order[0]] == NOTHING or best < self._threshold or best - second < self._rule.margin:
            self._reason = UNFAMILIAR if labels[order[0]] == NOTHING else UNDECIDED
            return None, best
        return labels[order[0]], best
