"""The result of a search."""

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
"""Part of the reason why a candidate with too high a latency was not tried."""

WITHOUT_WEIGHTS = "no weights:"
"""Start of the reason why a candidate was not tried if its backbone's weights are not available."""


@dataclass(frozen=True)
class SearchResult:
    """The result of a search.

    Attributes:
        folder: the search's folder, with a run folder for each trial.
        outcomes: all finished trials in order, including earlier calls'; only the last of a repeated trial.
        frontier: trials that no other beats in both accuracy and latency, fastest first.
        skipped: reasons why other candidates were not tried, by name.
        latency_ms: the maximum latency per image in ms, or None.
        pictures: number of images in the validation part.
        interrupted: whether Ctrl-C ended the search.
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
        """Return the most accurate trial within the maximum latency, the simplest of equals; None if there is none."""
        within = [item for item in self.measured if item.milliseconds <= (self.latency_ms or math.inf)]
        return min(within, key=_rank, default=None)

    @property
    def not_tried(self) -> str:
        """Return one line on the candidates that were not tried; empty if all were tried."""
        if not self.skipped:
            return ""
        kinds = Counter(_kind(reason) for reason in self.skipped.values())
        reasons = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        return f"Not tried: {counted(len(self.skipped), 'candidate')} ({reasons}); search.csv lists them all."

    @property
    def none_within_bound(self) -> bool:
        """Return whether there is no best trial because of latency, not because all failed or none was tried."""
        too_slow = any(OVER_BOUND in reason for reason in self.skipped.values())
        return self.best is None and bool(self.measured or too_slow)

    @property
    def measured(self) -> tuple[Outcome, ...]:
        """Return the trials that did not fail."""
        return tuple(outcome for outcome in self.outcomes if not outcome.reason)

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """Return the trials that failed."""
        return tuple(outcome for outcome in self.outcomes if outcome.reason)

    @property
    def ranked(self) -> tuple[Outcome, ...]:
        """Return the trials that did not fail, best first."""
        return tuple(sorted(self.measured, key=_rank))

    def model(self, outcome: Outcome) -> Path:
        """Return the path of a trial's int8 file."""
        return trial_folder(self.folder, outcome.candidate) / "model.tflite"


def _rank(item: Outcome) -> tuple[float, float, int, int]:
    """Return a sort key: more accurate, then faster, then with less of the network trained, then smaller."""
    return -item.accuracy, item.milliseconds, TUNES.index(item.candidate.tune), item.bytes


def _kind(reason: str) -> str:
    """Return the kind of a reason, without its numbers."""
    if OVER_BOUND in reason:
        return "over the maximum latency"
    if reason.startswith(("would take", "no time", "its time")):
        return "without enough time left"
    return "without weights" if reason.startswith(WITHOUT_WEIGHTS) else "for another reason"
