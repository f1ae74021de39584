"""Decisions about several labels per image: each separately, with its own threshold."""

from __future__ import annotations

import json
import logging
import math

import numpy as np
import pytest

from edgeclf_runtime import Prediction
from edgeclf_runtime.decision.decision import Decision, DecisionRule
from edgeclf_runtime.decision.label_sets import LabelSetDecider
from edgeclf_runtime.formatting import json_line

LABELS = ("cup", "fork", "plate")
LIMITS = (0.5, 0.3, 0.8)


def _seen(*scores: float) -> Prediction:
    return Prediction(np.array(scores, np.float32), LABELS, label_thresholds=LIMITS)


def _decided(rule: DecisionRule, *rows: tuple[float, ...], step: float = 0.1) -> list[Decision]:
    decider = LabelSetDecider(rule)
    return [decider.decide(rule.applied(_seen(*row)), number * step) for number, row in enumerate(rows)]


def _labels(rule: DecisionRule, *rows: tuple[float, ...], step: float = 0.1) -> list[str]:
    return [decision.label for decision in _decided(rule, *rows, step=step)]


def test_a_prediction_has_all_labels_that_reach_their_thresholds() -> None:
    assert _seen(0.6, 0.31, 0.79).answers == ("cup", "fork")
    assert (_seen(0.6, 0.31, 0.79).answer, _seen(0.4, 0.2, 0.7).answer) == ("cup|fork", "_none")
    assert (_seen(0.4, 0.2, 0.7).answers, _seen(0.4, 0.2, 0.7).reason) == ((), None)
    broken = _seen(0.6, math.nan, 0.9)
    assert (broken.answers, broken.answer, broken.reason) == ((), "unknown", "undecided")
    content = json.loads(json_line(_seen(0.6, 0.1, 0.9), 3))
    assert (content["answer"], content["answers"], content["label"]) == ("cup|plate", ["cup", "plate"], "plate")
    one = Prediction(np.array([0.2, 0.7, 0.1], np.float32), LABELS, threshold=0.5)
    assert (one.answers, "answers" in json.loads(json_line(one, 3))) == (("fork",), False)


def test_a_threshold_of_the_settings_takes_the_place_of_each_labels() -> None:
    assert _labels(DecisionRule(threshold=0.75), (0.6, 0.4, 0.78)) == ["plate"]
    assert _labels(DecisionRule(threshold=0.0), (0.6, 0.4, 0.78)) == ["cup|fork"]


def test_changes_and_what_appeared() -> None:
    rows = (0.6, 0.1, 0.1), (0.6, 0.4, 0.1), (0.7, 0.4, 0.1), (0.1, 0.1, 0.1)
    decisions = _decided(DecisionRule(), *rows)
    assert [decision.labels for decision in decisions] == [("cup",), ("cup", "fork"), ("cup", "fork"), ()]
    assert [decision.changed for decision in decisions] == [True, True, False, True]
    assert [decision.appeared for decision in decisions] == [("cup",), ("fork",), (), ()]
    assert [decision.before for decision in decisions] == [(), ("cup",), ("cup",), ("cup|fork",)]
    assert [round(decision.since, 1) for decision in decisions] == [0.0, 0.1, 0.1, 0.3]
    assert (decisions[1].score, decisions[3].score) == pytest.approx((0.6, 0.1))


def test_smoothing_hysteresis_votes_and_hold_are_of_each_label() -> None:
    both, one = (0.9, 0.9, 0.1), (0.9, 0.0, 0.1)
    assert set(_labels(DecisionRule(smoothing=0.5), *[both] * 5, one, both)) == {"cup|fork"}
    assert _labels(DecisionRule(hysteresis=0.2), both, (0.4, 0.05, 0.7)) == ["cup|fork", "cup"]
    rule = DecisionRule(votes=2, window=3)
    assert _labels(rule, both, both, one, both, one, one) == ["_none", *["cup|fork"] * 3, "cup", "cup"]
    held = _labels(DecisionRule(hold=0.25), one, one, one, one, both, both, one, one)
    assert held == ["_none"] * 3 + ["cup"] * 5


def test_a_broken_frame_keeps_the_answers() -> None:
    broken = (math.nan, 0.5, 0.5)
    first = _decided(DecisionRule(), broken, broken, (0.9, 0.1, 0.1), broken)
    assert [(decision.label, decision.changed) for decision in first] == [
        ("unknown", True),
        ("unknown", False),
        ("cup", True),
        ("cup", False),
    ]
    assert (first[0].refused, first[0].reason, first[3].appeared) == (True, "undecided", ())


def test_another_model_keeps_the_labels_that_it_has(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        decider = LabelSetDecider(DecisionRule(margin=0.2))
    assert "margin and count_period have no effect" in caplog.text
    decider.decide(_seen(0.9, 0.9, 0.1), 0.0)
    decider.follow(("cup", "spoon"), None)
    other = Prediction(np.array([0.9, 0.1], np.float32), ("cup", "spoon"), label_thresholds=(0.5, 0.5))
    decision = decider.decide(other, 0.1)
    assert (decision.labels, decision.changed, decision.appeared) == (("cup",), True, ())
