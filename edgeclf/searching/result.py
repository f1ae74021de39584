"""What a search found."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from edgeclf.searching.space import trial_folder
from edgeclf.searching.study import Outcome

__all__ = ["OVER_BOUND", "SearchResult"]

OVER_BOUND = "over the bound of"
"""In the reason why a candidate that takes too long was not tried."""


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
        """The most accurate within the bound; None where none is."""
        within = [item for item in self.frontier if item.milliseconds <= (self.latency_ms or math.inf)]
        return within[-1] if within else None

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

    def model(self, outcome: Outcome) -> Path:
        """The int8 file of a trial."""
        return trial_folder(self.folder, outcome.candidate) / "model.tflite"
