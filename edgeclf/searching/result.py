"""What a search found."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from edgeclf.config.train import TUNES
from edgeclf.searching.space import trial_folder
from edgeclf.searching.study import Outcome
from edgeclf_runtime.system.plain_text import counted

__all__ = ["OVER_BOUND", "WITHOUT_WEIGHTS", "SearchResult"]

OVER_BOUND = "over the bound of"
"""In the reason why a candidate that takes too long was not tried."""

WITHOUT_WEIGHTS = "no weights:"
"""Begins the reason why a candidate was not tried whose backbone's weights cannot be had."""


@dataclass(frozen=True)
class SearchResult:
    """Where a search led.

    Attributes:
        folder: with a run's folder for each trial.
        outcomes: all trials that ended, also those of earlier calls, in order; of one tried again the last.
        frontier: those that no other beats in both accuracy and time, the fastest first.
        skipped: why the others were not tried, by their name.
        latency_ms: the bound, or None.
        pictures: of the validation part.
        interrupted: by Ctrl-C.
    """

    folder: Path
    outcomes: tuple[Outcome, ...]
    frontier: tuple[Outcome, ...]
    skipped: dict[str, str]
    latency_ms: float | None
    pictures: int
    interrupted: bool

    @property
    def best(self) -> Outcome | None:
        """The most accurate within the bound, of equal ones the simplest; None where none is."""
        within = [item for item in self.measured if item.milliseconds <= (self.latency_ms or math.inf)]
        return min(within, key=_rank, default=None)

    @property
    def not_tried(self) -> str:
        """One line about the candidates that were not tried; empty where all were."""
        if not self.skipped:
            return ""
        kinds = Counter(_kind(reason) for reason in self.skipped.values())
        reasons = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        return f"Not tried: {counted(len(self.skipped), 'candidate')} ({reasons}); search.csv has them all."

    @property
    def none_within_bound(self) -> bool:
        """Whether it is for their time that there is no best one, and not that all failed or none could be tried."""
        too_slow = any(OVER_BOUND in reason for reason in self.skipped.values())
        return self.best is None and bool(self.measured or too_slow)

    @property
    def measured(self) -> tuple[Outcome, ...]:
        """The trials that did not fail."""
        return tuple(outcome for outcome in self.outcomes if not outcome.reason)

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The trials that did."""
        return tuple(outcome for outcome in self.outcomes if outcome.reason)

    @property
    def ranked(self) -> tuple[Outcome, ...]:
        """The trials that did not fail, the best first."""
        return tuple(sorted(self.measured, key=_rank))

    def model(self, outcome: Outcome) -> Path:
        """The int8 file of a trial."""
        return trial_folder(self.folder, outcome.candidate) / "model.tflite"


def _rank(item: Outcome) -> tuple[float, float, int, int]:
    """The more accurate first; of equal ones the faster, then that with less of it trained, then the smaller file."""
    return -item.accuracy, item.milliseconds, TUNES.index(item.candidate.tune), item.bytes


def _kind(reason: str) -> str:
    """A reason without its figures."""
    if OVER_BOUND in reason:
        return "over the latency"
    if reason.startswith(("would take", "no time", "its time")):
        return "without enough time left"
    return "without weights" if reason.startswith(WITHOUT_WEIGHTS) else "for another reason"
