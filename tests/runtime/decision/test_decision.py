"""Decisions: a stable answer from fluctuating scores, and which frames are classified."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgeclf_runtime import Frame, Prediction, UsageError
from edgeclf_runtime.decision.decision import Decider, DecisionRule
from edgeclf_runtime.decision.gap import Gaps
from edgeclf_runtime.decision.gate import Gate, GateRule
from edgeclf_runtime.formatting import json_line

LABELS = ("cat", "dog", "owl")


def _answers(
    rule: DecisionRule, rows: list[tuple[float, ...]], step: float = 0.1, card: float | None = None
) -> list[str]:
    decider = Decider(rule, card)
    return [
        decider.decide(Prediction(np.array(row, np.float32), LABELS), number * step).label
        for number, row in enumerate(rows)
    ]


CAT, DOG, TORN = (0.9, 0.05, 0.05), (0.05, 0.9, 0.05), (0.4, 0.35, 0.25)


def test_below_the_threshold_or_without_a_lead_it_is_unknown() -> None:
    assert _answers(DecisionRule(threshold=0.5), [CAT, TORN]) == ["cat", "unknown"]
    assert _answers(DecisionRule(margin=0.2), [TORN, CAT]) == ["unknown", "cat"]
    assert _answers(DecisionRule(), [TORN]) == ["cat"]
    assert _answers(DecisionRule(margin=0.2), [CAT, (0.4, 0.39, 0.21)]) == ["cat", "unknown"]


def test_the_models_own_threshold_counts_unless_another_is_given() -> None:
    assert _answers(DecisionRule(), [TORN], card=0.5) == ["unknown"]
    assert _answers(DecisionRule(threshold=0.1), [TORN], card=0.5) == ["cat"]


def test_smoothing_outlasts_one_odd_frame_and_follows_a_change() -> None:
    rows = [CAT] * 10 + [DOG] + [CAT] * 5 + [DOG] * 20
    answers = _answers(DecisionRule(smoothing=0.5), rows)
    assert set(answers[:16]) == {"cat"}
    assert answers[-1] == "dog"
    assert answers.index("dog") in range(17, 24)


def test_smoothing_goes_by_time_not_by_frames() -> None:
    rows = [CAT, DOG]
    assert _answers(DecisionRule(smoothing=1.0), rows, step=0.1) == ["cat", "cat"]
    assert _answers(DecisionRule(smoothing=1.0), rows, step=5.0) == ["cat", "dog"]


def test_a_class_called_unknown_is_no_refusal() -> None:
    labels = ("cat", "unknown")
    decider = Decider(DecisionRule(threshold=0.6, votes=2, window=3))
    rows = [(0.1, 0.9), (0.1, 0.9), (0.45, 0.55), (0.5, 0.5), (0.9, 0.1), (0.9, 0.1), (0.2, 0.8), (0.2, 0.8)]
    answers = [decider.decide(Prediction(np.array(row, np.float32), labels), float(n)) for n, row in enumerate(rows)]
    refused = "refused"
    assert [refused if answer.refused else answer.label for answer in answers] == [
        refused,
        "unknown",
        "unknown",
        refused,
        refused,
        "cat",
        "cat",
        "unknown",
    ]
    assert [answer.changed for answer in answers] == [number in (0, 5, 7) for number in range(8)]


def test_scores_that_are_no_numbers_are_unknown_and_in_no_average() -> None:
    broken = (float("nan"), 0.1, 0.1)
    assert _answers(DecisionRule(), [CAT, broken, CAT]) == ["cat", "unknown", "cat"]
    assert _answers(DecisionRule(smoothing=1.0), [CAT, broken, CAT]) == ["cat", "unknown", "cat"]
    assert _answers(DecisionRule(votes=2, window=3), [CAT, CAT, broken, CAT]) == ["unknown", "cat", "cat", "cat"]
    text = json_line(Prediction(np.array(broken, np.float32), LABELS), 3)
    assert json.loads(text, parse_constant=pytest.fail)["scores"][0]["score"] in (0.0, 0.1)


def test_hysteresis_keeps_the_present_answer() -> None:
    near = (0.45, 0.5, 0.05)
    assert _answers(DecisionRule(), [CAT, near]) == ["cat", "dog"]
    assert _answers(DecisionRule(hysteresis=0.1), [CAT, near, DOG]) == ["cat", "cat", "dog"]
    assert _answers(DecisionRule(threshold=0.5, hysteresis=0.1), [CAT, (0.42, 0.3, 0.28)]) == ["cat", "cat"]


def test_votes_decide() -> None:
    rows = [CAT, CAT, CAT, DOG, CAT, DOG, DOG, DOG]
    assert _answers(DecisionRule(votes=3, window=4), rows) == ["unknown"] * 2 + ["cat"] * 4 + ["dog"] * 2


def test_votes_forget_what_is_older_than_a_gap() -> None:
    decider = Decider(DecisionRule(votes=2, window=3))
    answers = []
    for number, row in enumerate([CAT, CAT, DOG, DOG]):
        if number == 3:
            decider.forget()
        answers.append(decider.decide(Prediction(np.array(row, np.float32), LABELS), float(number)).label)
    assert answers == ["unknown", "cat", "cat", "cat"]


def test_a_gap_is_longer_than_three_seconds_and_than_usual() -> None:
    gaps = Gaps()
    assert [gaps.ends_at(moment) for moment in (0.0, 0.1, 0.2, 2.9, 3.0, 7.0, 7.1, 5.0)] == [False] * 5 + [
        True,
        False,
        True,
    ]
    slow = Gaps()
    assert not any([slow.ends_at(moment) for moment in range(0, 200, 10)][2:])


def test_a_change_is_told_once_with_its_moment() -> None:
    decider = Decider(DecisionRule())
    found = [
        decider.decide(Prediction(np.array(row, np.float32), LABELS), moment)
        for moment, row in enumerate([CAT, CAT, DOG])
    ]
    assert [decision.changed for decision in found] == [True, False, True]
    assert [decision.since for decision in found] == [0, 0, 2]


def test_wrong_rules_are_named_together() -> None:
    with pytest.raises(UsageError, match=r"margin 2: expected 0 to 1; 3 votes of 2"):
        DecisionRule(margin=2, votes=3, window=2)
    with pytest.raises(UsageError, match="within 0 to 1"):
        GateRule(region=(0.5, 0, 0.6, 1))


def _frame(level: int, moment: float) -> Frame:
    pixels = np.full((48, 64, 3), level, np.uint8)
    pixels[:24, :32, 0] = 255
    return Frame(pixels, moment, 0, "test")


def test_a_still_scene_is_looked_at_now_and_then() -> None:
    gate = Gate(GateRule(motion=3, refresh=1.0, linger=0))
    seen = [
        gate.admit(_frame(level, moment)) is not None
        for level, moment in [(10, 0), (11, 0.1), (60, 0.2), (60, 0.3), (61, 1.3)]
    ]
    assert seen == [True, False, True, False, True]


def test_slow_change_is_noticed_against_the_image_last_classified() -> None:
    gate = Gate(GateRule(motion=5, refresh=100, linger=0))
    seen = [gate.admit(_frame(level, level / 10)) is not None for level in range(0, 20)]
    assert sum(seen) in (3, 4, 5)


@pytest.mark.parametrize("motion", [3.0, 4.0, 5.0])
def test_a_small_thing_in_a_large_image_moves_and_noise_does_not(motion: float) -> None:
    rng, gate = np.random.default_rng(0), Gate(GateRule(motion=motion, refresh=1000, linger=0))

    def image(moment: float, thing: bool) -> Frame:
        pixels = np.full((720, 1280, 3), 120, np.float32) + rng.normal(0, 6, (720, 1280, 3))
        if thing:
            pixels[300:480, 600:780] -= 40
        return Frame(np.clip(pixels, 0, 255).astype(np.uint8), moment, 0, "test")

    assert gate.admit(image(0, False)) is not None
    assert gate.admit(image(1, False)) is None
    assert gate.admit(image(2, True)) is not None
    assert gate.admit(image(3, True)) is None
    assert gate.admit(image(4, False)) is not None


def test_the_rate_is_bounded() -> None:
    gate = Gate(GateRule(max_fps=5))
    assert sum(gate.admit(_frame(1, number / 30)) is not None for number in range(60)) in (9, 10, 11)


def test_the_region_is_cut_out() -> None:
    cut = Gate(GateRule(region=(0.0, 0.0, 0.5, 0.5))).admit(_frame(7, 0))
    assert cut is not None
    assert cut.pixels.shape == (24, 32, 3)
    assert (cut.pixels[..., 0] == 255).all()


def test_after_motion_frames_are_let_through_until_votes_can_agree() -> None:
    gate = Gate(GateRule(motion=3, refresh=10.0, linger=2.0))
    gate.admit(_frame(10, 0))
    seen = [gate.admit(_frame(80, 20 + number * 0.2)) is not None for number in range(30)]
    assert seen == [True] * 10 + [False] * 20


def test_a_model_of_one_class_has_an_answer() -> None:
    decider = Decider(DecisionRule(threshold=0.5, margin=0.1))
    found = decider.decide(Prediction(np.array([0.7], np.float32), ("cat",)), 0.0)
    assert (found.label, round(found.score, 2)) == ("cat", 0.7)
