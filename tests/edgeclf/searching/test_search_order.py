"""The order of a search's trials, its end, its best trial, and its message about candidates not tried."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from edgeclf import Quiet, make_config
from edgeclf.config.tables import SearchConfig
from edgeclf.searching.budget import Budget
from edgeclf.searching.forecast import first_seconds
from edgeclf.searching.page import search_table, write_search
from edgeclf.searching.result import OVER_BOUND, WITHOUT_WEIGHTS, SearchResult
from edgeclf.searching.search import _Searching
from edgeclf.searching.space import Candidate
from edgeclf.searching.study import Outcome, SearchLog

LITE0 = "efficientnet-lite0"


def _result(outcomes: tuple[Outcome, ...], skipped: dict[str, str] | None = None) -> SearchResult:
    return SearchResult(Path("s"), outcomes, outcomes, skipped or {}, 8.0, 9, False)


def test_the_simplest_of_equal_trials_is_the_best() -> None:
    one = {tune: Outcome(Candidate(LITE0, 96, tune), 0.9, milliseconds=2.0) for tune in ("full", "batch-norm", "head")}
    slower = Outcome(Candidate(LITE0, 128, "head"), 0.9, milliseconds=4.0)
    over = Outcome(Candidate(LITE0, 224, "head"), 0.99, milliseconds=9.0)
    result = _result((over, one["full"], slower, one["batch-norm"], one["head"]))
    assert result.best == one["head"]
    assert result.ranked == (over, one["head"], one["batch-norm"], one["full"], slower)
    names = [line.split()[1] for line in search_table(result).splitlines()[1:]]
    assert names == [item.candidate.name for item in result.ranked]
    better = Outcome(Candidate(LITE0, 128, "full"), 0.91, milliseconds=4.0)
    assert _result((one["head"], better)).best == better


@pytest.mark.parametrize(("milliseconds", "is_drawn"), [(6.0, True), (1.0, False)])
def test_the_maximum_latency_is_drawn_if_it_leaves_room_for_the_points(
    milliseconds: float, is_drawn: bool, tmp_path: Path
) -> None:
    trial = Outcome(Candidate(LITE0, 96, "head"), 0.9, milliseconds=milliseconds)
    page = write_search(replace(_result((trial,)), folder=tmp_path)).read_text("utf-8")
    assert "<svg" in page
    assert ("maximum latency" in page) == is_drawn


def test_candidates_not_tried_are_one_line() -> None:
    reasons = {
        "a": "would take about 3.0 minutes; 2.0 were left",
        "b": "no time was left",
        "c": f"9.00 ms per image of 224 pixels, {OVER_BOUND} 8 ms",
        "d": "its time was up; the same command resumes it",
    }
    reasons["e"] = f"{WITHOUT_WEIGHTS} The ImageNet weights of x cannot be downloaded"
    kinds = "3 without enough time left, 1 over the maximum latency, 1 without weights"
    assert _result((), reasons).not_tried == f"Not tried: 5 candidates ({kinds}); search.csv lists them all."
    assert not _result(()).not_tried


def test_the_default_is_tried_first_if_it_fits_else_the_cheapest(tmp_path: Path) -> None:
    base, sizes, tunes = make_config({"size": 64}), (32, 64), ("head", "full")
    assert first_seconds(Candidate(LITE0, 64, "full"), base, 100) > 60  # for its conversion alone

    def first(minutes: float, sizes: tuple[int, ...] = sizes) -> Candidate:
        settings = SearchConfig(backbones=(LITE0,), sizes=sizes, tunes=tunes, budget_minutes=minutes)
        space = {"backbone": (LITE0,), "size": sizes, "tune": tunes}
        folder = tmp_path / f"{minutes}-{len(sizes)}"
        searching = _Searching(tmp_path, folder, settings, base, SearchLog(folder, space, {}, 0), Quiet(), 100)
        candidate = searching._next()
        assert candidate is not None
        return candidate

    assert first(9000) == Candidate(LITE0, 64, "full")
    assert first(0.01) == Candidate(LITE0, 32, "head")
    assert first(9000, (32,)) == Candidate(LITE0, 32, "head")  # the default is none of these


def test_a_trial_stopped_by_the_budget_says_so() -> None:
    budget = Budget(Quiet(), time.monotonic() + 3600)
    with budget.bar("Fine-tuning", 2) as bar:
        bar.advance(1)
    assert not budget.spent
    budget = Budget(Quiet(), time.monotonic())
    with pytest.raises(KeyboardInterrupt), budget.bar("Fine-tuning", 2) as bar:
        bar.advance(1)
    assert budget.spent
