"""Unfamiliar frames are refused with their reason, and one odd frame changes nothing."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from edgeclf_runtime import Prediction, UsageError
from edgeclf_runtime.decision.decision import Decider, Decision, DecisionRule
from edgeclf_runtime.formatting import json_line
from edgeclf_runtime.prediction import NOTHING

LABELS = ("cat", "dog", "owl")
CAT, DOG, TORN = (0.9, 0.05, 0.05), (0.05, 0.9, 0.05), (0.4, 0.35, 0.25)
OWN, STRANGE = 0.5, 1e-6


def _shown(
    row: tuple[float, ...], familiarity: float | None, labels: tuple[str, ...] = LABELS, reject: float = 0.05
) -> Prediction:
    return Prediction(np.array(row, np.float32), labels, familiarity=familiarity, reject=reject)


def _decided(rule: DecisionRule, frames: list[Prediction], step: float = 0.1) -> list[Decision]:
    decider = Decider(rule)
    return [decider.decide(frame, number * step) for number, frame in enumerate(frames)]


def _names(decisions: list[Decision]) -> list[str]:
    assert all(one.refused == (one.reason is not None) for one in decisions)
    return [one.reason or one.label for one in decisions]


@pytest.mark.parametrize(
    ("row", "familiarity", "threshold", "reason"),
    [
        (CAT, None, 0.0, None),
        (CAT, 0.05, 0.5, None),
        (CAT, 0.04, 0.5, "unfamiliar"),
        (TORN, 0.04, 0.5, "unfamiliar"),
        (TORN, 0.3, 0.5, "undecided"),
        (TORN, None, 0.5, "undecided"),
        ((math.nan, 0.1, 0.1), None, 0.0, "undecided"),
        ((math.nan, 0.1, 0.1), 0.0, 0.0, "unfamiliar"),
    ],
)
def test_a_prediction_says_why_it_is_unknown(
    row: tuple[float, ...], familiarity: float | None, threshold: float, reason: str | None
) -> None:
    prediction = Prediction(
        np.array(row, np.float32), LABELS, threshold=threshold, familiarity=familiarity, reject=0.05
    )
    assert (prediction.reason, prediction.answer) == (reason, "unknown" if reason else "cat")
    content = json.loads(json_line(prediction, 3))
    assert content["label"] == "cat"  # the raw result stays
    if familiarity is None:
        assert list(content) == ["answer", "label", "score", "scores", "milliseconds"]
    else:
        assert list(content)[-2:] == ["familiarity", "reason"]
        assert (content["familiarity"], content["reason"]) == (familiarity, reason)


def test_the_class_of_nothing_is_no_answer() -> None:
    labels = ("cat", NOTHING)
    nothing, cat = _shown((0.1, 0.9), None, labels), _shown((0.9, 0.1), None, labels)
    assert (nothing.answer, nothing.reason, nothing.label) == ("unknown", "unfamiliar", NOTHING)
    assert _names(_decided(DecisionRule(threshold=0), [nothing, cat, nothing])) == ["unfamiliar", "cat", "unfamiliar"]
    (decision,) = _decided(DecisionRule(), [nothing])
    assert (decision.label, decision.score) == ("unknown", pytest.approx(0.9))


def test_whose_reject_counts() -> None:
    frames = [_shown(CAT, 0.03), _shown(CAT, 0.2)]  # the card suggests 0.05
    assert _names(_decided(DecisionRule(), frames)) == ["unfamiliar", "cat"]
    assert _names(_decided(DecisionRule(reject=0), frames)) == ["cat", "cat"]
    assert _names(_decided(DecisionRule(reject=0.3), frames)) == ["unfamiliar", "unfamiliar"]
    assert _names(_decided(DecisionRule(threshold=0), frames)) == ["cat", "cat"]  # never "unknown", as before
    assert _names(_decided(DecisionRule(threshold=0, reject=0.05), frames)) == ["unfamiliar", "cat"]
    applied = DecisionRule(threshold=0.95, reject=0.02).applied(frames[0])
    assert (applied.reason, DecisionRule().applied(frames[0]).reason) == ("undecided", "unfamiliar")
    with pytest.raises(UsageError, match=r"reject 1\.5: expected 0 to 1"):
        DecisionRule(reject=1.5)


@pytest.mark.parametrize("odd_is_strange", [True, False])
def test_one_odd_frame_changes_nothing_and_a_lasting_change_does(odd_is_strange: bool) -> None:
    usual, odd = (OWN, STRANGE) if odd_is_strange else (STRANGE, OWN)
    usual_name, odd_name = ("cat", "unfamiliar") if odd_is_strange else ("unfamiliar", "dog")
    frames = [_shown(CAT, usual)] * 10 + [_shown(DOG, odd)] + [_shown(CAT, usual)] * 9 + [_shown(DOG, odd)] * 20
    decisions = _decided(DecisionRule(smoothing=0.5), frames)
    assert _names(decisions[:20]) == [usual_name] * 20
    assert _names(decisions[-10:]) == [odd_name] * 10
    assert sum(one.changed for one in decisions) == 2
    assert all(one.familiarity is not None and 0 < one.familiarity <= 1 for one in decisions)


def test_an_unfamiliar_frame_moves_no_average_to_a_class() -> None:
    frames = [_shown(CAT, OWN)] * 5 + [_shown(DOG, STRANGE)] * 30 + [_shown(CAT, OWN)] * 10
    labels = [one.label for one in _decided(DecisionRule(smoothing=0.5), frames)]
    assert set(labels) == {"cat", "unknown"}  # strangers scored as dogs, but were never answered as dogs
    late = _decided(DecisionRule(smoothing=5.0), [_shown(DOG, STRANGE), _shown(CAT, OWN), _shown(CAT, OWN)], step=10)
    assert (late[-1].label, late[-1].score) == ("cat", pytest.approx(0.9))  # the first frame is in no average, either


def test_hysteresis_is_a_share_of_reject() -> None:
    frames = [_shown(CAT, 0.06), _shown(CAT, 0.045), _shown(CAT, 0.03), _shown(CAT, 0.045), _shown(CAT, 0.06)]
    names = _names(_decided(DecisionRule(hysteresis=0.2), frames))
    assert names == ["cat", "cat", "unfamiliar", "unfamiliar", "cat"]


def test_votes_and_the_reason_of_the_last_unknown() -> None:
    cat, strange, torn = _shown(CAT, OWN), _shown(CAT, STRANGE), _shown(TORN, OWN)
    rule = DecisionRule(threshold=0.5, votes=2, window=3)
    names = _names(_decided(rule, [cat, cat, strange, torn, strange, cat, cat]))
    assert names == ["undecided", "cat", "cat", "undecided", "unfamiliar", "unfamiliar", "cat"]


def test_after_a_gap_and_with_another_model_familiarity_begins_anew() -> None:
    decider = Decider(DecisionRule(smoothing=60.0))
    assert decider.decide(_shown(CAT, OWN), 0.0).familiarity == OWN
    decider.forget()
    assert decider.decide(_shown(CAT, STRANGE), 100.0).reason == "unfamiliar"
    decider.follow(LABELS, None)  # a model without familiarity
    there = decider.decide(_shown(CAT, None, reject=0.0), 100.1)
    assert (there.label, there.reason, there.familiarity) == ("cat", None, None)
    decider.follow(LABELS, None)
    assert decider.decide(_shown(DOG, STRANGE), 100.2).reason == "unfamiliar"


@pytest.mark.parametrize(("familiarity", "reason"), [(OWN, "undecided"), (STRANGE, "unfamiliar")])
def test_broken_scores_are_in_no_average(familiarity: float, reason: str) -> None:
    broken = _shown((math.nan, 0.1, 0.1), familiarity)
    decisions = _decided(DecisionRule(smoothing=1.0), [_shown(CAT, OWN), broken, _shown(CAT, OWN)])
    assert _names(decisions) == ["cat", reason, "cat"]
    assert [one.familiarity for one in decisions] == [pytest.approx(OWN)] * 3
