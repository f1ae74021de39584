"""Which answer came before, and how often each began."""

from __future__ import annotations

from edgeclf_runtime.decision.decision import Decider, Decision, DecisionRule
from edgeclf_runtime.decision.events import Events
from tests.runtime.observations import seen


def _decided(rule: DecisionRule, steps: list[tuple[float, str, float]]) -> list[Decision]:
    decider = Decider(rule)
    return [decider.decide(seen(label, score).prediction, moment) for moment, label, score in steps]


def test_what_came_before_looks_through_unknown_but_not_back_at_the_answer_itself() -> None:
    steps = [(0.0, "cat", 0.9), (1.0, "cat", 0.9), (2.0, "cat", 0.6), (3.0, "dog", 0.9), (4.0, "dog", 0.6)]
    given = _decided(DecisionRule(threshold=0.8), [*steps, (5.0, "dog", 0.9)])
    assert [one.label for one in given] == ["cat", "cat", "unknown", "dog", "unknown", "dog"]
    assert [one.before for one in given] == [(), (), ("cat",), ("unknown", "cat"), ("dog",), ("unknown",)]
    assert {one.counts for one in given} == {None}


def test_what_has_not_lasted_came_never_before() -> None:
    given = _decided(
        DecisionRule(hold=1.0), [(0.0, "cat", 0.9), (1.0, "cat", 0.9), (1.5, "dog", 0.9), (2.5, "dog", 0.9)]
    )
    assert [(one.label, one.before) for one in given if one.changed] == [("cat", ()), ("dog", ("cat",))]


def test_changes_are_counted_within_the_period() -> None:
    steps = [(0.0, "cat", 0.9), (1.0, "dog", 0.9), (2.0, "cat", 0.9), (5.0, "cat", 0.9), (10.5, "cat", 0.9)]
    given = _decided(DecisionRule(count_period=10.0), [*steps, (13.0, "cat", 0.9)])
    expected = [{"cat": 1}, {"cat": 1, "dog": 1}, {"cat": 2, "dog": 1}, {"cat": 2, "dog": 1}, {"cat": 1, "dog": 1}, {}]
    assert [one.counts for one in given] == expected


def test_another_video_begins_anew_and_memory_is_bounded() -> None:
    events = Events(3600.0)
    for number in range(10_050):
        events.change("cat", False, number / 100)
    assert events.counts(101.0) == {"cat": 10_000}
    assert events.counts(0.0) == {}
