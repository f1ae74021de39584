"""From the scores of one frame to a steady answer: smoothing, "unknown", and when the answer changes."""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Optional

from edgeclf_runtime.errors import UsageError
from edgeclf_runtime.prediction import UNKNOWN, Prediction

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["UNKNOWN", "Decider", "Decision", "DecisionRule"]

_ROUNDING = 1e-6  # seconds by which differences of moments may be off


@dataclass(frozen=True)
class DecisionRule:
    """How scores become an answer.

    Attributes:
        threshold: the best score must reach it, else the answer is "unknown"; None takes the model card's, or 0.
        margin: by how much the best score must lead the second.
        smoothing: time constant in seconds of a moving average of the scores; 0 for none.
        hysteresis: the present answer is kept while its score is no more than this below what a new one needs.
        votes, window: a new answer is taken when it won this many of the last so many frames.
        hold: seconds for which a new answer must last before it is taken.
        cooldown: seconds from the end of a command, or of a webhook's call, to the next.
    """

    threshold: Optional[float] = None  # noqa: UP045  read at run time by settings, on Python 3.9 too
    margin: float = 0.0
    smoothing: float = 0.0
    hysteresis: float = 0.0
    votes: int = 1
    window: int = 1
    hold: float = 0.0
    cooldown: float = 0.0

    def __post_init__(self) -> None:
        shares = {"threshold": self.threshold or 0.0, "margin": self.margin, "hysteresis": self.hysteresis}
        wrong = [f"{name} {value}: expected 0 to 1" for name, value in shares.items() if not 0 <= value <= 1]
        if not 0 <= self.smoothing <= 3600:
            wrong.append(f"smoothing {self.smoothing}: expected 0 to 3600 seconds")
        if not 0 <= self.hold <= 3600:
            wrong.append(f"hold {self.hold}: expected 0 to 3600 seconds")
        if not 0 <= self.cooldown <= 86400:
            wrong.append(f"cooldown {self.cooldown}: expected 0 to 86400 seconds")
        if not 1 <= self.votes <= self.window <= 1000:
            wrong.append(f"{self.votes} votes of {self.window}: expected 1 <= votes <= window <= 1000")
        if wrong:
            raise UsageError(f"Decision: {'; '.join(wrong)}.")


@dataclass(frozen=True)
class Decision:
    """The answer after a frame.

    Attributes:
        label: one of the model's, or "unknown".
        score: the smoothed score of the label; of "unknown" the best one's.
        changed: it is not the answer before.
        since: the ``moment`` of the frame it has held from, in seconds.
        refused: no label was sure enough; else "unknown" is the name of one of the model's classes.
    """

    label: str
    score: float
    changed: bool
    since: float
    refused: bool = False


class Decider:
    """Follows one source's predictions.

    Args:
        rule: how.
        threshold: the model card's, used where the rule has none.
    """

    def __init__(self, rule: DecisionRule, threshold: float | None = None) -> None:
        self._rule = rule
        self._threshold = rule.threshold if rule.threshold is not None else threshold or 0.0
        self._scores: npt.NDArray[np.float32] | None = None
        self._moment = 0.0
        self._won: deque[str | None] = deque(maxlen=rule.window)  # None where no label was sure enough
        self._answer: Decision | None = None
        self._is_first = True  # no answer has lasted yet, nor that none is sure enough
        self._coming: str | None = None  # an answer that is to last before it is taken
        self._coming_since: float | None = None

    def follow(self, labels: tuple[str, ...], threshold: float | None) -> None:
        """Go on with another model's scores: the answer stays while that has its label, averages and votes begin anew.

        Args:
            labels: the other model's.
            threshold: its card's, used where the rule has none.
        """
        self._threshold = self._rule.threshold if self._rule.threshold is not None else threshold or 0.0
        self.forget()
        if self._present is not None and self._present not in labels:
            self._answer, self._is_first = None, True

    def forget(self) -> None:
        """After a gap: the answer stays until there is another, averages and votes begin anew."""
        self._scores = None
        self._won.clear()
        self._coming_since = None

    def decide(self, prediction: Prediction, moment: float) -> Decision:
        """The answer after one more prediction, of a frame of this ``moment`` (see ``Frame``).

        Scores that are no numbers, of a broken model, speak for "unknown" and are in no average.
        """
        if math.isfinite(float(prediction.scores.sum())):
            scores = self._smoothed(prediction.scores, moment)
            winner, score = self._winner(scores, prediction.labels)
        else:
            import numpy as np

            scores, winner, score = np.zeros_like(prediction.scores), None, 0.0
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
        self._answer = Decision(label, score, changed, since, answer is None)
        return self._answer

    @property
    def _present(self) -> str | None:
        """The label that holds; None where there is no answer yet, or none was sure enough."""
        return None if self._answer is None or self._answer.refused else self._answer.label

    def _has_lasted(self, answer: str | None, moment: float) -> bool:
        if answer == self._present and not self._is_first:
            self._coming_since = None
            return True
        if self._coming_since is None or answer != self._coming:
            self._coming, self._coming_since = answer, moment
        return moment - self._coming_since >= self._rule.hold - _ROUNDING

    def _smoothed(self, scores: npt.NDArray[np.float32], moment: float) -> npt.NDArray[np.float32]:
        if self._scores is None or not self._rule.smoothing:
            self._scores = scores
        else:
            kept = math.exp(-max(0.0, moment - self._moment) / self._rule.smoothing)
            self._scores = kept * self._scores + (1 - kept) * scores
        self._moment = moment
        return self._scores

    def _winner(self, scores: npt.NDArray[np.float32], labels: tuple[str, ...]) -> tuple[str | None, float]:
        """What this frame alone says, in favour of the present answer by the hysteresis; None for "unknown"."""
        order = (-scores).argsort(kind="stable")
        best, second = float(scores[order[0]]), float(scores[order[1]]) if len(order) > 1 else 0.0
        present = self._present
        if present is not None and present in labels:
            position = labels.index(present)
            own, other = float(scores[position]), second if position == order[0] else best
            leads = own - other >= (self._rule.margin if position == order[0] else 0.0) - self._rule.hysteresis
            if leads and own >= self._threshold - self._rule.hysteresis:
                return present, own
        if best < self._threshold or best - second < self._rule.margin:
            return None, best
        return labels[order[0]], best
